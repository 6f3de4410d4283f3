import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { promisify } from 'node:util';
import { sql } from 'slonik';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { decodeFailed } from '../../activities/deliver-failed.ts';
import { createLocalKeys } from '../../adapters/keys/local.ts';
import { createDataKeys, type DataKeys } from '../../adapters/postgres/data-keys.ts';
import { createDeadLetters } from '../../adapters/postgres/dead-letters.ts';
import { createErasureStore } from '../../adapters/postgres/erasures.ts';
import { createFailedEvents } from '../../adapters/postgres/failed-events.ts';
import { rotateKeys } from '../../adapters/postgres/key-rotation.ts';
import { createDatabasePool } from '../../adapters/postgres/pool.ts';
import { createStore } from '../../adapters/postgres/store.ts';
import { eventToJson } from '../../domain/event-json.ts';
import { type KeyRing, keyRingOf } from '../../platform/key-ring.ts';
import { forwarded } from '../../platform/lazily.ts';
import { rotationReport } from '../../scripts/lib/rotation-report.ts';
import { batchOf } from '../helpers/batches.ts';
import { createTestDatabase } from '../helpers/database.ts';
import { claimPartitions, openTestLane } from '../helpers/lane-store.ts';
import { createDeadLetterHarness, encodedEvent } from './dead-letters-harness.ts';

const run = promisify(execFile);

const CANARY = 'canary.5d1e@leak.example';
const key = (id: string) => `${id} ${randomBytes(32).toString('base64')}`;
const [FIRST, SECOND] = [key('first'), key('second')];
const keysOf = (ring: string | null) => createDataKeys(ring === null ? null : createLocalKeys(keyRingOf(ring)));

/** A database in which a lane of these keys let messages with the canary fail, in key, value and headers. */
async function failing(values: readonly Buffer[], keys: DataKeys) {
  const { pool, url } = await createTestDatabase();
  const open = (dataKeys: DataKeys) =>
    createStore(pool, {
      partitionInterval: 'day',
      openLanePool: () => createDatabasePool({ url, ca: null, poolSize: 1, applicationName: 'crm-test-lane' }),
      dataKeys,
    });
  const store = open(keys);
  const runId = '0190d5f0-0000-7000-8000-00000000000f';
  await store.runs.start({ runId, kind: 'live', scope: 'group' });
  const lane = await openTestLane(store);
  const [range] = await claimPartitions(lane, runId, 'crm.leads');

  /** More of them, by the lane or by a writer of its own. @returns the ids */
  async function fail(more: readonly Buffer[], nextOffset: number, writer = lane.writer) {
    const batch = batchOf(
      { ...range!, nextOffset },
      more.map(() => 'bad' as const),
      runId,
    );
    batch.deliveries.forEach((delivery, index) => {
      Object.assign(delivery.record, {
        key: Buffer.from(CANARY),
        value: more[index],
        headers: [['from', Buffer.from(CANARY)]],
      });
    });
    await writer.write(batch);
    return ids();
  }
  const ids = async () => [
    ...(await pool.anyFirst(
      sql.type(z.object({ id: z.number() }))`SELECT failed_id AS id FROM analytics.crm_failed_events ORDER BY 1`,
    )),
  ];
  /** Everything that is kept, as PostgreSQL shows it. */
  const dump = async () => {
    const rows = await pool.anyFirst(sql.type(z.object({ row: z.string() }))`
      SELECT concat_ws(' ', encode(f.key, 'escape'), encode(f.value, 'escape'), f.headers, f.correction,
        convert_from(decode(f.headers #>> '{0,1}', 'base64'), 'UTF8'))  AS row
      FROM analytics.crm_failed_events f ORDER BY failed_id`);
    return rows.join('\n');
  };
  const failedIds = await fail(values, 0);
  return { pool, url, store, open, fail, ids, dump, failedIds, range: range!, runId, lane };
}

const message = (text: string) => Buffer.from(`${text}: ${CANARY}`);

describe('what is kept of failed events', () => {
  it('is readable without keys, as before', async () => {
    const { store, dump, failedIds } = await failing([message('a')], keysOf(null));
    expect(await dump()).toContain(CANARY);
    expect((await store.failed.take(failedIds))[0]).toMatchObject({ record: { value: message('a') } });
  });

  it('is sealed with keys, and byte for byte the same to whoever has them', async () => {
    const { pool, dump, failedIds } = await failing(
      [message('a'), Buffer.alloc(0), randomBytes(70_000)],
      keysOf(FIRST),
    );
    expect(await dump()).not.toContain('canary');
    const taken = await createFailedEvents(pool, keysOf(`${SECOND}\n${FIRST}`)).take(failedIds);
    expect(taken.map(({ record }) => record.value?.length)).toEqual([message('a').length, 0, 70_000]);
    expect(taken[0]?.record).toMatchObject({
      key: Buffer.from(CANARY),
      value: message('a'),
      headers: [['from', Buffer.from(CANARY)]],
    });
    expect(taken.every(({ unreadable }) => unreadable === undefined)).toBe(true);
    const [whole] = await createDeadLetters(pool, keysOf(FIRST)).listWhole({}, { before: failedIds[1]!, limit: 9 });
    expect(whole).toMatchObject({ value: message('a'), unreadable: null });
  });

  it('takes one data key for all lanes and batches of a process, however many ask at once', async () => {
    const keys = keysOf(FIRST);
    const { pool, fail, open } = await failing([message('a')], keys);
    await fail([message('b')], 1);
    const other = open(keysOf(FIRST));
    await Promise.all([1, 2, 3].map(() => keys.forSealing(pool)));
    expect(await pool.oneFirst(sql.unsafe`SELECT count(*) FROM analytics.crm_data_keys`)).toBe(1);
    expect(await other.failed.take([1])).toHaveLength(1);
  });

  it('is never kept without its data key, though a server that took over has lost that', async () => {
    const { pool, fail, failedIds } = await failing([message('a')], keysOf(FIRST));
    await pool.query(sql.unsafe`DELETE FROM analytics.crm_data_keys`);
    const ids = await fail([message('b')], 1);
    expect((await createFailedEvents(pool, keysOf(FIRST)).take(ids))[1]).toMatchObject({
      record: { value: message('b') },
    });
    await pool.query(sql.unsafe`DELETE FROM analytics.crm_data_keys`);
    const keys = keysOf(FIRST);
    const letters = createDeadLetters(pool, keys);
    await letters.correct(failedIds[0]!, { event: { n: 1 }, by: 'ann' }, null);
    await pool.query(sql.unsafe`DELETE FROM analytics.crm_data_keys`);
    await letters.correct(failedIds[0]!, { event: { n: 2 }, by: 'ann' }, null);
    expect((await createDeadLetters(pool, keysOf(FIRST)).get(failedIds[0]!))?.correction).toEqual({ n: 2 });
  });

  it('is not taken for that of another row', async () => {
    const { pool, store, failedIds } = await failing([message('a'), message('b'), message('c')], keysOf(FIRST));
    const [a, b] = failedIds;
    await pool.query(sql.unsafe`
      UPDATE analytics.crm_failed_events f SET value = o.value FROM analytics.crm_failed_events o
      WHERE (f.failed_id, o.failed_id) IN ((${a!}, ${b!}), (${b!}, ${a!}))`);
    const taken = await store.failed.take(failedIds);
    expect(taken.map(({ unreadable }) => unreadable?.code)).toEqual(['undecodable', 'undecodable', undefined]);
    expect(taken.map(({ record }) => record.value)).toEqual([null, null, message('c')]);
  });

  it('is told to be sealed with a key that is missing, event by event, and nothing is lost by that', async () => {
    const { pool, fail, failedIds, open, range, runId } = await failing([message('a')], keysOf(FIRST));
    const lane = await openTestLane(open(keysOf(SECOND)));
    const [again] = await lane.positions.claim({
      scope: 'group',
      runId,
      owner: '0190d5f0-0000-7000-8000-0000000000aa',
      ranges: [{ topic: range.topic, partition: 0, initial: 0, rangeStart: 0, endOffset: null, topicId: null }],
    });
    Object.assign(range, again);
    const [a, b] = await fail([message('b')], 1, lane.writer);
    const taken = await createFailedEvents(pool, keysOf(SECOND)).take([a!, b!]);
    expect(taken[0]).toMatchObject({
      record: { value: null },
      unreadable: { code: 'key_unavailable', detail: 'key "first" is not configured: add it to DATA_KEYS' },
    });
    expect(taken[1]).toMatchObject({ record: { value: message('b') } });
    // It fails as an event does, and may heal by itself.
    expect(
      await decodeFailed(taken[0]!, { decode: () => Promise.reject(new Error('nothing to decode')) }),
    ).toMatchObject({
      ok: false,
      rejection: { code: 'key_unavailable' },
    });
    expect(await createFailedEvents(pool, keysOf(null)).take([a!])).toMatchObject([
      { unreadable: { code: 'key_unavailable' } },
    ]);
    expect(await createFailedEvents(pool, keysOf(FIRST)).take(failedIds)).toMatchObject([
      { record: { value: message('a') } },
    ]);
  });

  it('is a correction too', async () => {
    const { pool, dump, failedIds } = await failing([message('a')], keysOf(FIRST));
    const letters = createDeadLetters(pool, keysOf(FIRST));
    const event = { eventId: 'e', data: { email: CANARY } };
    expect(await letters.correct(failedIds[0]!, { event, by: 'ann' }, null)).toBe('done');
    expect(await dump()).not.toContain('canary');
    expect((await letters.get(failedIds[0]!))?.correction).toEqual(event);
    expect((await createFailedEvents(pool, keysOf(FIRST)).take(failedIds))[0]?.correction).toEqual(event);
    // Without the key the message must not be taken instead.
    const [blind] = await createFailedEvents(pool, keysOf(SECOND)).take(failedIds);
    expect(blind).toMatchObject({ correction: null, unreadable: { code: 'key_unavailable' } });
  });

  it('is found by an erasure, and what it can not open is told', async () => {
    const { pool } = await failing([message('a')], keysOf(FIRST));
    const [seen] = await createErasureStore(pool, keysOf(FIRST)).messages(0, 9);
    expect(seen).toMatchObject({ value: message('a'), sealed: false, beside: expect.stringContaining(CANARY) });
    const [blind] = await createErasureStore(pool, keysOf(SECOND)).messages(0, 9);
    expect(blind).toMatchObject({ value: null, sealed: true, correction: null });
  });

  it('waits for the keeper of keys, like for any server', async () => {
    const silent = {
      currentKeyId: 'kms',
      wrap: () => Promise.reject(new Error(CANARY)),
      unwrap: () => Promise.reject(new Error(CANARY)),
    };
    await expect(failing([message('a')], createDataKeys(silent))).rejects.toThrow(
      'PostgreSQL refused the write (EKEYS)',
    );
  });
});

describe('people who look at a dead letter', () => {
  it('are told which key is missing, and can not correct what nobody sees', async () => {
    let letters: ReturnType<typeof createDeadLetters> | undefined;
    const { pool, fail, ask, get } = await createDeadLetterHarness({
      deadLetters: forwarded(async () => letters ?? Promise.reject(new Error('too early'))),
    });
    letters = createDeadLetters(pool, keysOf(SECOND));
    const { value, event } = await encodedEvent('lead');
    const [id, other] = await fail([
      { value, topic: 'crm.leads' },
      { value, topic: 'crm.leads' },
    ]);
    const provider = createLocalKeys(keyRingOf(FIRST));
    const control = { signal: new AbortController().signal, report: () => {} };
    await pool.query(
      sql.unsafe`UPDATE analytics.crm_failed_events SET sealed_by = gen_random_uuid() WHERE failed_id = ${other!}`,
    );
    await rotateKeys(pool, { provider, dataKeys: createDataKeys(provider), batch: 9 }, control);

    const undecodable = { code: 'key_unavailable', detail: 'key "first" is not configured: add it to DATA_KEYS' };
    expect(await get(`/${id}`)).toMatchObject({ event: null, valueBytes: null, undecodable, eventId: null });
    expect((await get('')).items).toHaveLength(2);
    const lines = (await ask('GET', '/export')).text.trim().split('\n');
    expect(lines.map((line) => JSON.parse(line).undecodable.code).toSorted()).toEqual([
      'key_unavailable',
      'undecodable',
    ]);
    const refused = await ask('PUT', `/${id}/correction`, eventToJson(event));
    expect(refused.status).toBe(409);
    expect(refused.text).toContain('key \\"first\\" is not configured');
    // With the key it is as it was.
    letters = createDeadLetters(pool, keysOf(FIRST));
    expect(await get(`/${id}`)).toMatchObject({ undecodable: null, event: { data: expect.anything() } });
  });
});

describe('rotating keys', () => {
  const rotate = async (pool: Awaited<ReturnType<typeof failing>>['pool'], ring: KeyRing, batch = 2) => {
    const provider = createLocalKeys(ring);
    const seen: number[] = [];
    const result = await rotateKeys(
      pool,
      { provider, dataKeys: createDataKeys(provider), batch },
      { signal: new AbortController().signal, report: ({ at }) => seen.push(at) },
    );
    return { result, seen, ...rotationReport(result, ring) };
  };

  it('seals what was kept before, and wraps again what was sealed with an older key', async () => {
    const plain = await failing([message('a'), message('b'), message('c')], keysOf(null));
    const { pool, failedIds } = plain;
    await createDeadLetters(pool).correct(failedIds[0]!, { event: { email: CANARY }, by: 'ann' }, null);
    const version = (await createDeadLetters(pool).get(failedIds[0]!))?.version;
    const first = await rotate(pool, keyRingOf(FIRST));
    expect(first).toMatchObject({ complete: true, result: { sealed: 4, rewrapped: 0, readable: 0 } });
    expect(await plain.dump()).not.toContain('canary');

    const both = keyRingOf(`${SECOND}\n${FIRST}`);
    const second = await rotate(pool, both);
    expect(second).toMatchObject({ complete: true, result: { sealed: 0, rewrapped: 1 } });
    expect(second.lines.at(-1)).toBe(
      'key "first" is no longer used: take it out of DATA_KEYS once every process has the current one',
    );
    const letter = await createDeadLetters(pool, keysOf(SECOND)).get(failedIds[0]!);
    expect(letter).toMatchObject({ value: message('a'), correction: { email: CANARY }, unreadable: null, version });
    expect(await createFailedEvents(pool, keysOf(SECOND)).take(failedIds)).toMatchObject([
      { record: { value: message('a'), key: Buffer.from(CANARY) } },
      { record: { value: message('b'), headers: [['from', Buffer.from(CANARY)]] } },
      { record: { value: message('c') } },
    ]);
  });

  it('goes on where it was ended', async () => {
    const { pool } = await failing([message('a'), message('b'), message('c')], keysOf(null));
    const provider = createLocalKeys(keyRingOf(FIRST));
    const stop = new AbortController();
    const dataKeys = createDataKeys(provider);
    const once: DataKeys = {
      ...dataKeys,
      forSealing: (connection) => {
        stop.abort(new Error('ended'));
        return dataKeys.forSealing(connection);
      },
    };
    const control = { signal: stop.signal, report: () => {} };
    await expect(rotateKeys(pool, { provider, dataKeys: once, batch: 1 }, control)).rejects.toThrow('ended');
    const { result } = await rotate(pool, keyRingOf(FIRST));
    expect(result.sealed).toBe(2);
  });

  it('does not bring back what was erased meanwhile', async () => {
    const { pool, failedIds, dump } = await failing([message('a')], keysOf(null));
    const provider = createLocalKeys(keyRingOf(FIRST));
    const dataKeys = createDataKeys(provider);
    const erasing: DataKeys = {
      ...dataKeys,
      async forSealing(connection) {
        await pool.query(sql.unsafe`
          UPDATE analytics.crm_failed_events SET key = NULL, value = NULL, headers = NULL WHERE failed_id = ${failedIds[0]!}`);
        return dataKeys.forSealing(connection);
      },
    };
    const control = { signal: new AbortController().signal, report: () => {} };
    expect(await rotateKeys(pool, { provider, dataKeys: erasing, batch: 9 }, control)).toMatchObject({ sealed: 0 });
    expect((await dump()).trim()).toBe('');
  });

  it('is a command, which says what it does and how it ended', async () => {
    const { url, dump } = await failing([message('a')], keysOf(null));
    const command = (keys: Record<string, string>) =>
      run(process.execPath, ['scripts/rotate-keys.ts', '--batch', '10'], { env: { DATABASE_URL: url, ...keys } });
    const { stdout } = await command({ DATA_KEYS: FIRST });
    expect(stdout).toContain('failed events up to 1 of 1');
    expect(stdout).toContain('0 data keys wrapped again with key "first", 1 messages and corrections sealed');
    expect(await dump()).not.toContain('canary');
    await expect(command({ DATA_KEYS: SECOND })).rejects.toMatchObject({
      code: 1,
      stdout: expect.stringContaining('key "first", which is not configured'),
    });
    const both = await command({ DATA_KEYS: `${SECOND},${FIRST}` });
    expect(both.stdout).toContain('key "first" is no longer used');
    await expect(command({})).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringContaining('DATA_KEYS is not set'),
    });
    const said = [stdout, both.stdout, both.stderr].join('');
    for (const ring of [FIRST, SECOND]) expect(said).not.toContain(ring.split(' ')[1]);
  });

  it('says which key is missing, and does the rest', async () => {
    const { pool } = await failing([message('a')], keysOf(FIRST));
    const { complete, lines } = await rotate(pool, keyRingOf(SECOND));
    expect(complete).toBe(false);
    expect(lines.join('\n')).toContain('wrapped with key "first", which is not configured');
  });
});
