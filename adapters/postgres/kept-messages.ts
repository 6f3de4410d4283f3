/**
 * What crm_failed_events keeps of a message and of its correction: as it is, or sealed. A sealed message is key, value
 * and headers in one, in the column `value`; a sealed correction is a JSON string. Each is bound to its row.
 */
import type { CommonQueryMethods } from 'slonik';
import type { Rejection } from '../../domain/failures.ts';
import { UnknownKeyError } from '../../platform/key-provider.ts';
import { type DataKey, SealBrokenError, seal } from '../../platform/sealing.ts';
import type { BatchColumns } from './batch-columns.ts';
import type { DataKeys, Opened, SealingKey } from './data-keys.ts';

type Headers = ReadonlyArray<readonly [name: string, base64: string | null]>;

/** Columns of crm_failed_events by the names that queries give them. */
export interface KeptRow {
  failedId: number;
  sourceId: number;
  partition: number;
  offset: number;
  key: Buffer | null;
  value: Buffer | null;
  headers: Headers | null;
  sealedBy: string | null;
  correction: unknown;
}

interface Message {
  key: Buffer | null;
  value: Buffer | null;
  headers: Headers;
}

/** A row with what it holds in the clear. */
export type OpenedRow<Row extends KeptRow> = Omit<Row, keyof Message> &
  Message & {
    /** Why it can't be opened, null where it can: then whatever can't be is null or empty. */
    unreadable: Rejection | null;
  };

const messagePlace = ({ sourceId, partition, offset }: Pick<KeptRow, 'sourceId' | 'partition' | 'offset'>) =>
  `message ${sourceId} ${partition} ${offset}`;

const correctionPlace = (failedId: number) => `correction ${failedId}`;

/**
 * Opens what is sealed. A row that can't be opened is told so, and keeps nobody from the others.
 * @throws WriteError when the data keys can't be asked for
 */
export async function openRows<Row extends KeptRow>(
  connection: CommonQueryMethods,
  keys: DataKeys,
  rows: readonly Row[],
): Promise<Array<OpenedRow<Row>>> {
  const sealed = rows.flatMap((row) => [sealedMessage(row), sealedCorrection(row)]).filter((bytes) => bytes !== null);
  const opened = await keys.forOpening(connection, sealed);
  return rows.map((row) => openRow(row, opened));
}

function openRow<Row extends KeptRow>(row: Row, opened: Opened): OpenedRow<Row> {
  const unreadable: Rejection[] = [];
  const attempt = <T>(open: () => T): T | null => {
    try {
      return open();
    } catch (error) {
      unreadable.push(reasonOf(error));
      return null;
    }
  };
  const message = sealedMessage(row);
  const correction = sealedCorrection(row);
  const { key, value, headers } =
    message === null
      ? row
      : (attempt(() => unpack(opened.open(message, messagePlace(row)))) ?? { key: null, value: null, headers: [] });
  return {
    ...row,
    key,
    value,
    headers: headers ?? [],
    correction:
      correction === null
        ? row.correction
        : attempt((): unknown => JSON.parse(opened.open(correction, correctionPlace(row.failedId)).toString())),
    unreadable: unreadable[0] ?? null,
  };
}

function reasonOf(error: unknown): Rejection {
  if (error instanceof UnknownKeyError) return { code: 'key_unavailable', detail: error.message };
  if (error instanceof SealBrokenError) return { code: 'undecodable', detail: error.message };
  throw error;
}

function sealedMessage({ value, sealedBy }: KeptRow): Buffer | null {
  return sealedBy === null ? null : value;
}

function sealedCorrection({ correction }: KeptRow): Buffer | null {
  return typeof correction === 'string' ? Buffer.from(correction, 'base64') : null;
}

/** A correction as JSON text for the column. @param dataKey null keeps it as it is */
export function keptCorrection(event: unknown, failedId: number, dataKey: DataKey | null): string {
  const json = JSON.stringify(event);
  if (dataKey === null) return json;
  return JSON.stringify(seal(dataKey, Buffer.from(json), correctionPlace(failedId)).toString('base64'));
}

/** Seals the messages of what is rejected. @param sources where each slice is from */
export function sealRejected(
  { rejected, deliveries }: BatchColumns,
  sources: ReadonlyArray<{ sourceId: number; partition: number }>,
  dataKey: SealingKey | null,
): void {
  if (dataKey === null) return;
  rejected.sealedBy = dataKey;
  rejected.ord.forEach((ord, index) => {
    const at = (ord ?? 0) - 1;
    const source = sources[(deliveries.slice[at] ?? 0) - 1];
    const offset = deliveries.offset[at];
    if (source === undefined || typeof offset !== 'number') throw new RangeError('a rejection without its delivery');
    const message = pack(rejected.key[index] ?? null, rejected.value[index] ?? null, rejected.headers[index] ?? null);
    rejected.value[index] = seal(dataKey, message, messagePlace({ ...source, offset })).toString('base64');
    rejected.key[index] = null;
    rejected.headers[index] = null;
  });
}

/** The message of a row that was kept before there were keys, sealed. */
export function sealMessage(row: KeptRow, dataKey: DataKey): Buffer {
  const { key, value, headers } = row;
  const texts = [key?.toString('base64') ?? null, value?.toString('base64') ?? null] as const;
  return seal(dataKey, pack(...texts, headers === null ? null : JSON.stringify(headers)), messagePlace(row));
}

const LENGTH_BYTES = 4;
const ABSENT = -1;

/** Key, value and headers (as JSON text) with their lengths before them. @param key in base64, like the value */
function pack(key: string | null, value: string | null, headers: string | null): Buffer {
  const parts = [
    [key, 'base64'],
    [value, 'base64'],
    [headers, 'utf8'],
  ] as const;
  let size = 0;
  for (const [text, encoding] of parts) size += LENGTH_BYTES + (text === null ? 0 : Buffer.byteLength(text, encoding));
  const message = Buffer.allocUnsafe(size);
  let at = 0;
  for (const [text, encoding] of parts) {
    const length = text === null ? 0 : message.write(text, at + LENGTH_BYTES, encoding);
    message.writeInt32BE(text === null ? ABSENT : length, at);
    at += LENGTH_BYTES + length;
  }
  return message;
}

function unpack(message: Buffer): Message {
  let at = 0;
  const next = () => {
    const length = message.readInt32BE(at);
    at += LENGTH_BYTES;
    if (length === ABSENT) return null;
    at += length;
    return message.subarray(at - length, at);
  };
  const [key, value, headers] = [next(), next(), next()];
  // Written by `pack` alone, and authentic.
  return { key, value, headers: headers === null ? [] : (JSON.parse(headers.toString()) as Headers) };
}
