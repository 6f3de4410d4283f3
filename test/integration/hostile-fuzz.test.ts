/** Every operation of the OpenAPI document, asked with what fits its schemas and with what nearly does. */
import fc from 'fast-check';
import { expect, it, onTestFinished } from 'vitest';
import { openHostileApi, openNamespace } from '../helpers/hostile-api.ts';
import { fitting, HOSTILE_TEXTS, hostileValues, nearlyFitting } from '../helpers/hostile-arbitraries.ts';
import { leaksOf } from '../helpers/hostile-checks.ts';
import { undocumentedIn } from '../helpers/hostile-conforms.ts';
import { type ApiDocument, type Asked, type Operation, readDocument, targetOf } from '../helpers/hostile-document.ts';

/** Of each operation: as many as there is time for, within limits. */
const RUNS = 40;
const FEWEST_RUNS = 5;
const TIME_MS = 250;
/** The same each time, so that a run fails for what was changed; HOSTILE_SEED tries others. */
const SEED = Number(process.env.HOSTILE_SEED ?? 20_261_129);

const asText = (value: unknown): string => (typeof value === 'object' ? JSON.stringify(value) : String(value));

/** Requests of an operation: mostly sound, with something hostile here and there. */
function requests({ parameters, body }: Operation, { resolve }: ApiDocument): fc.Arbitrary<Asked> {
  const textsOf = (schema: Operation['parameters'][number]['schema']) =>
    fc.oneof(
      { weight: 3, arbitrary: fitting(schema, resolve).map(asText) },
      { weight: 1, arbitrary: fc.constantFrom(...HOSTILE_TEXTS) },
    );
  const named = (place: string) => parameters.filter((parameter) => parameter.in === place);
  const optional = named('query').map(({ name, schema }) =>
    fc.option(
      textsOf(schema).map((value): [string, string] => [name, value]),
      { freq: 2 },
    ),
  );
  const headers = named('header').map(({ name, schema }) =>
    fc.option(
      // What can't be in a header at all is sent by the cases that are written by hand.
      textsOf(schema).map((value): [string, string] => [name, value.replaceAll(/[^\x20-\x7e]/gu, '')]),
    ),
  );
  const present = (pairs: ReadonlyArray<[string, string] | null>) => pairs.filter((pair) => pair !== null);
  return fc.record({
    path: fc.record(Object.fromEntries(named('path').map(({ name, schema }) => [name, textsOf(schema)]))),
    query: fc.tuple(...optional).map(present),
    headers: fc.tuple(...headers).map(present),
    body:
      body === null
        ? fc.constant(undefined)
        : fc
            .oneof(
              { weight: 4, arbitrary: fitting(body, resolve) },
              { weight: 6, arbitrary: nearlyFitting(body, resolve) },
              { weight: 1, arbitrary: hostileValues },
            )
            .map((value) => JSON.stringify(value)),
  });
}

it('answers as the document says, whatever it is asked', { timeout: 120_000 }, async () => {
  const { namespace, close } = await openNamespace();
  onTestFinished(close);
  const api = await openHostileApi(namespace);
  const document = await readDocument(api.origin);
  expect(document.operations.length).toBeGreaterThan(60);

  const faultsOf = async (operation: Operation, asked: Asked): Promise<string[]> => {
    const response = await fetch(`${api.origin}${targetOf(operation, asked)}`, {
      method: operation.method,
      headers: [...asked.headers, ...(asked.body === undefined ? [] : [['content-type', 'application/json']])] as [
        string,
        string,
      ][],
      ...(asked.body !== undefined && { body: asked.body }),
    });
    const type = response.headers.get('content-type') ?? '';
    const answer = { status: response.status, type, body: await response.text() };
    return [
      ...(answer.status >= 500 ? [`status ${answer.status}: ${answer.body}`] : []),
      ...undocumentedIn(operation, answer, document.resolve),
      // Rows are shown to who asks for them: whether too many are is what the injections look at.
      ...leaksOf(type, answer.body, answer.status).filter((leak) => !leak.includes('rows')),
    ];
  };

  const faults: string[] = [];
  for (const operation of document.operations) {
    const until = performance.now() + TIME_MS;
    for (const [run, asked] of fc.sample(requests(operation, document), { seed: SEED, numRuns: RUNS }).entries()) {
      if (run >= FEWEST_RUNS && performance.now() > until) break;
      const found = await faultsOf(operation, asked);
      if (found.length > 0) {
        faults.push(`${operation.method} ${operation.path} ${JSON.stringify(asked)}: ${found.join('; ')}`);
        break;
      }
    }
  }
  expect(faults, `HOSTILE_SEED=${SEED} repeats it`).toEqual([]);
});
