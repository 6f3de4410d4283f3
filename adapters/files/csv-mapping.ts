/** How the cells of CSV rows become events in JSON: each goes to the field that its column is mapped to. */
import { type FileReading, InvalidFileError } from '../../activities/file-ports.ts';
import { type FieldKind, kindOfField } from '../../domain/field-kinds.ts';
import { type AvroField, ENTITY_RECORDS, METADATA_RECORD } from '../../domain/schemas.ts';

/**
 * @returns what makes an event in JSON of the cells of a row
 * @throws InvalidFileError for a field that no event has
 */
export function compileMapping(
  { mapping, constants }: NonNullable<FileReading['csv']>,
  columns: readonly string[],
): (cells: readonly string[]) => string {
  const targetOf = new Map(Object.entries(mapping).map(([column, target]) => [column, splitTarget(target)]));
  const targets = columns.map((name) => targetOf.get(name) ?? null);
  const fixed = Object.entries(constants).map(([target, text]) => ({ ...splitTarget(target), text }));
  return (cells) => {
    const event: Record<string, unknown> = { data: {} };
    for (const { record, name, kind, text } of fixed) put(event, record, name, scalarOf(kind, text));
    for (const [index, target] of targets.entries()) {
      const text = cells[index] ?? '';
      if (target === null || text === '') continue;
      put(event, target.record, target.name, scalarOf(target.kind, text));
    }
    return JSON.stringify(event);
  };
}

interface Target {
  /** null for a field of the envelope. */
  record: 'data' | 'metadata' | null;
  name: string;
  kind: FieldKind;
}

/** @throws InvalidFileError */
function splitTarget(target: string): Target {
  const [, record = null, name = target] = /^(data|metadata)[.](.+)$/u.exec(target) ?? [];
  const kind = KINDS[(record ?? 'event') as keyof typeof KINDS].get(name);
  if (kind === undefined) {
    throw new InvalidFileError(
      `the mapping fills ${target}, which no event has; take eventId, eventType, organizationId, timestamp, data.… or metadata.…`,
    );
  }
  return { record: record as Target['record'], name, kind };
}

const kindsOf = (fields: readonly AvroField[]) =>
  new Map(fields.map(({ name, type }): [string, FieldKind] => [name, kindOfField(type)]));

const KINDS = {
  event: new Map<string, FieldKind>([
    ['eventId', 'text'],
    ['eventType', 'text'],
    ['organizationId', 'text'],
    ['timestamp', 'time'],
  ]),
  data: kindsOf(Object.values(ENTITY_RECORDS).flatMap(({ fields }) => fields)),
  metadata: kindsOf(METADATA_RECORD.fields),
};

/** Cells are text, where JSON has numbers: what can't be one stays as it is, and is refused by its field's name. */
function scalarOf(kind: FieldKind, text: string): string | number {
  return kind !== 'text' && kind !== 'decimal' && /^-?\d{1,16}$/u.test(text) ? Number(text) : text;
}

function put(event: Record<string, unknown>, record: Target['record'], name: string, value: string | number): void {
  if (record === null) {
    event[name] = value;
    return;
  }
  event[record] ??= {};
  (event[record] as Record<string, unknown>)[name] = value;
}
