/** Whether an answer is what the document says of it. */
import type { ApiDocument, Operation, Schema } from './hostile-document.ts';

/** Where a value does not fit a schema; empty when it does. */
export function misfitsOf(value: unknown, given: Schema, resolve: ApiDocument['resolve'], at = ''): string[] {
  const schema = merged(resolve(given), resolve);
  const go = (inner: unknown, of: Schema, where: string) => misfitsOf(inner, of, resolve, where);
  const ways = schema.anyOf ?? schema.oneOf;
  if (ways !== undefined) {
    return ways.some((way) => go(value, way, at).length === 0) ? [] : [`${at}: is none of what it may be`];
  }
  if (schema.enum !== undefined) return schema.enum.includes(value) ? [] : [`${at}: ${String(value)} is not listed`];
  const types = typeof schema.type === 'string' ? [schema.type] : schema.type;
  if (types !== undefined && !types.some((type) => isOf(type, value))) return [`${at}: is no ${types.join(' or ')}`];
  if (typeof value === 'string') return textMisfits(value, schema, at);
  if (typeof value !== 'object' || value === null) return [];
  if (Array.isArray(value)) return value.flatMap((item, index) => go(item, schema.items ?? {}, `${at}[${index}]`));
  const missing = (schema.required ?? []).filter((name) => !Object.hasOwn(value, name));
  return [
    ...missing.map((name) => `${at}.${name}: is missing`),
    ...Object.entries(value).flatMap(([name, inner]) => {
      const known = schema.properties?.[name];
      if (known !== undefined) return go(inner, known, `${at}.${name}`);
      const others = schema.additionalProperties;
      if (typeof others === 'object') return go(inner, others, `${at}.${name}`);
      return schema.properties === undefined ? [] : [`${at}.${name}: is not documented`];
    }),
  ];
}

/** A schema whose parts are one: each of them by itself would not know the others' properties. */
function merged(schema: Schema, resolve: ApiDocument['resolve']): Schema {
  if (schema.allOf === undefined) return schema;
  const parts = schema.allOf.map((part) => merged(resolve(part), resolve));
  return {
    ...Object.assign({}, ...parts),
    properties: Object.assign({}, ...parts.map(({ properties }) => properties)),
    required: parts.flatMap(({ required }) => required ?? []),
  };
}

function isOf(type: string, value: unknown): boolean {
  switch (type) {
    case 'null':
      return value === null;
    case 'integer':
      return Number.isInteger(value);
    case 'array':
      return Array.isArray(value);
    case 'object':
      return typeof value === 'object' && value !== null && !Array.isArray(value);
    default:
      return typeof value === type;
  }
}

function textMisfits(value: string, { pattern, format }: Schema, at: string): string[] {
  const isTime = format === 'date-time' || format === 'date';
  if (isTime && Number.isNaN(Date.parse(value))) return [`${at}: is no ${format}`];
  return pattern === undefined || new RegExp(pattern, 'u').test(value) ? [] : [`${at}: is not of its pattern`];
}

/** What an answer has that its operation does not document. */
export function undocumentedIn(
  operation: Operation,
  { status, type, body }: { status: number; type: string; body: string },
  resolve: ApiDocument['resolve'],
): string[] {
  const response = operation.responses[String(status)];
  if (response === undefined) return [`status ${status} is not documented`];
  const content = Object.entries(response.content ?? {}).find(([media]) => type.startsWith(media))?.[1];
  if (response.content !== undefined && content === undefined) return [`${status} comes as ${type}`];
  if (!type.includes('json') || type.includes('ndjson') || content?.schema === undefined) return [];
  return misfitsOf(JSON.parse(body), content.schema, resolve, 'body');
}
