/** What an attacker can send to the port, over the real server and its servers. */
import { sql } from 'slonik';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type HostileApi, openHostileApi, openNamespace } from '../helpers/hostile-api.ts';
import { BODIES } from '../helpers/hostile-bodies.ts';
import type { HostileCase } from '../helpers/hostile-case.ts';
import { faultsOf } from '../helpers/hostile-checks.ts';
import { readDocument } from '../helpers/hostile-document.ts';
import { CUT_OFF, ENDLESS, FRAMES } from '../helpers/hostile-frames.ts';
import { HEADERS, METHODS, TYPES } from '../helpers/hostile-heads.ts';
import { injectionsOf } from '../helpers/hostile-injections.ts';
import { PATHS } from '../helpers/hostile-paths.ts';
import { ELSEWHERE, PLACES } from '../helpers/hostile-places.ts';
import { exchange, hangUp, type RawAnswer } from '../helpers/hostile-socket.ts';

let namespace: string;
let close: () => Promise<void>;
beforeAll(async () => {
  ({ namespace, close } = await openNamespace());
});
afterAll(() => close());

/** Sends them all, a few side by side, and says what is wrong with the answers. */
async function faultsIn(api: HostileApi, cases: readonly HostileCase[]): Promise<string[]> {
  const faults: string[] = [];
  const left = [...cases];
  const work = async () => {
    for (let next = left.shift(); next !== undefined; next = left.shift()) {
      const answer = await exchange(api.port, next.bytes);
      const shown = answer && next.echo ? { ...answer, body: answer.body.replaceAll(next.echo, '') } : answer;
      for (const fault of faultsOf(shown, next.statuses)) faults.push(`${next.name}: ${fault}${causeOf(api, answer)}`);
      if (answer !== null && answer.answers !== 1) faults.push(`${next.name}: ${answer.answers} answers`);
    }
  };
  await Promise.all(Array.from({ length: 4 }, work));
  return faults;
}

/** What the log has on an answer of 5xx, for whoever has to mend it. */
function causeOf({ logger }: HostileApi, answer: RawAnswer | null): string {
  if (answer === null || answer.status < 500) return '';
  const line = logger.lines.find(({ fields }) => fields.requestId === answer.headers.get('x-request-id'));
  return ` (${String(line?.fields.error)})`;
}

async function mustBeWell(api: HostileApi): Promise<void> {
  expect((await fetch(`${api.origin}/health/live`)).status).toBe(200);
  expect((await fetch(`${api.origin}/api/v1/crm-ingestion/dead-letters`)).status).toBe(200);
  expect(api.logger.lines.filter(({ level }) => level === 'error')).toEqual([]);
  expect(Object.keys({})).toEqual([]);
  expect(Object.hasOwn(Object.prototype, 'admin')).toBe(false);
}

describe('hostile requests', () => {
  it.each([
    ['bodies', BODIES],
    ['content types', TYPES],
    ['headers', HEADERS],
    ['methods', METHODS],
    ['paths', PATHS],
    ['places of files', PLACES],
    ['frames', FRAMES],
    ['other places', ELSEWHERE],
  ])('%s', async (_, cases) => {
    const api = await openHostileApi(namespace);
    expect(await faultsIn(api, cases)).toEqual([]);
    await mustBeWell(api);
    expect(api.storageHosts.filter((host) => host !== api.storage)).toEqual([]);
  });

  it('requests that never end', async () => {
    const api = await openHostileApi(namespace, { API_REQUEST_TIMEOUT_MS: '1000' });
    const hanging = ENDLESS.map(async ({ name, bytes, statuses }) => {
      const faults = faultsOf(await exchange(api.port, bytes), statuses);
      return faults.map((fault) => `${name}: ${fault}`);
    });
    // While they hang, others are served.
    await mustBeWell(api);
    expect((await Promise.all(hanging)).flat()).toEqual([]);
    await mustBeWell(api);
  });

  it('whoever hangs up within a body', async () => {
    const api = await openHostileApi(namespace);
    await Promise.all(Array.from({ length: 20 }, (_, sent) => hangUp(api.port, CUT_OFF, sent * 8)));
    await mustBeWell(api);
  });

  it('are at least 260 by hand, each with a name of its own', () => {
    const all = [BODIES, TYPES, HEADERS, METHODS, PATHS, PLACES, FRAMES, ELSEWHERE, ENDLESS].flat();
    expect(all.length).toBeGreaterThanOrEqual(260);
    expect(new Set(all.map(({ name }) => name)).size).toBe(all.length);
  });

  it('SQL in every parameter and every text of a body', async () => {
    const api = await openHostileApi(namespace);
    const cases = injectionsOf(await readDocument(api.origin));
    expect(cases.length).toBeGreaterThan(400);
    expect(await faultsIn(api, cases)).toEqual([]);
    await mustBeWell(api);
    const rows = await api.pool.oneFirst(sql.unsafe`SELECT count(*) FROM analytics.crm_failed_events`);
    expect(rows).toBe(3);
  });
});
