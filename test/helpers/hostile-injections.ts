/** SQL and its friends in every place of every operation that takes a text. */
import fc from 'fast-check';
import { fitting } from './hostile-arbitraries.ts';
import type { HostileCase } from './hostile-case.ts';
import { type ApiDocument, type Asked, type Operation, type Schema, targetOf } from './hostile-document.ts';
import { type HeaderLines, requestBytes } from './hostile-socket.ts';

const PAYLOADS = [
  "' OR '1'='1",
  "x'; DROP TABLE analytics.crm_failed_events; --",
  "x') UNION SELECT organization_id FROM analytics.crm_legal_holds --",
  'a\0b',
];

/** The statuses below 500 that an operation documents. */
export function statusesOf({ responses }: Operation): number[] {
  return Object.keys(responses)
    .map(Number)
    .filter((status) => status < 500);
}

/** One sound value for each; the same in each run. */
function sample(schema: Schema, { resolve }: ApiDocument): unknown {
  return fc.sample(fitting(schema, resolve), { seed: 7, numRuns: 1 })[0];
}

/** A request that holds to the document; parameters that may be left out are. */
function soundRequest(operation: Operation, document: ApiDocument): Asked {
  const needed = operation.parameters.filter(({ required }) => required);
  const body = operation.body === null ? undefined : sample(operation.body, document);
  return {
    path: Object.fromEntries(
      needed
        .filter((parameter) => parameter.in === 'path')
        .map(({ name, schema }) => [name, String(sample(schema, document))]),
    ),
    query: [],
    headers: [],
    body: body === undefined ? undefined : JSON.stringify(body),
  };
}

/** The body with one of its texts replaced, for each of them. */
function bodiesWith(body: string, payload: string): string[] {
  const bodies: string[] = [];
  const parsed: unknown = JSON.parse(body);
  const visit = (inner: unknown, rebuild: (by: unknown) => unknown): void => {
    if (typeof inner === 'string') bodies.push(JSON.stringify(rebuild(payload)));
    else if (Array.isArray(inner)) {
      for (const [at, item] of inner.entries()) visit(item, (by) => rebuild(inner.toSpliced(at, 1, by)));
    } else if (typeof inner === 'object' && inner !== null) {
      for (const [key, item] of Object.entries(inner)) visit(item, (by) => rebuild({ ...inner, [key]: by }));
    }
  };
  visit(parsed, (by) => by);
  return bodies;
}

export function injectionsOf(document: ApiDocument): HostileCase[] {
  return document.operations.flatMap((operation) =>
    PAYLOADS.flatMap((payload) => {
      const sound = soundRequest(operation, document);
      const asked: Array<[string, Asked]> = operation.parameters.map((parameter) => {
        const where = `${parameter.in} ${parameter.name}`;
        if (parameter.in === 'path') return [where, { ...sound, path: { ...sound.path, [parameter.name]: payload } }];
        if (parameter.in === 'query') return [where, { ...sound, query: [[parameter.name, payload]] }];
        return [where, { ...sound, headers: [[parameter.name, payload.replaceAll('\0', '')]] }];
      });
      if (sound.body !== undefined) {
        for (const [at, body] of bodiesWith(sound.body, payload).entries()) {
          asked.push([`text ${at + 1} of the body`, { ...sound, body }]);
        }
      }
      return asked.map(([where, request]) => ({
        name: `${operation.method} ${operation.path}, ${JSON.stringify(payload)} as ${where}`,
        statuses: statusesOf(operation),
        bytes: bytesOf(operation, request),
        echo: JSON.stringify(payload).slice(1, -1),
      }));
    }),
  );
}

/** The request as bytes. */
export function bytesOf(operation: Operation, asked: Asked): Buffer {
  const headers: HeaderLines = [
    ...asked.headers,
    ...(asked.body === undefined ? [] : [['content-type', 'application/json'] as const]),
  ];
  return requestBytes(operation.method, targetOf(operation, asked), {
    headers,
    ...(asked.body !== undefined && { body: asked.body }),
  });
}
