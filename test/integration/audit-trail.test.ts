import { sql } from 'slonik';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { WriteError } from '../../activities/ports.ts';
import { createDatabasePool } from '../../adapters/postgres/pool.ts';
import { BEGINNING, chainAfter, trailDigest } from '../../domain/audit-trail.ts';
import { anEntry, KEY, openLog, writerOver } from './audit-trail-harness.ts';

const LOG = 'analytics.crm_audit_log';

describe('the audit log', () => {
  it('is one chain, however many processes write at once', async () => {
    const { pool, url, trail, verify } = await openLog(0, KEY);
    const others = await Promise.all(
      [1, 2, 3].map(() => createDatabasePool({ url, ca: null, poolSize: 2, applicationName: 'crm-test' })),
    );
    const writers = [trail, ...others.map((other) => writerOver(other, KEY).trail)];
    const entries = Array.from({ length: 200 }, (_, n) => anEntry({ subject: { id: String(n) } }));
    await Promise.all(entries.map((entry, n) => writers[n % writers.length]!.append(entry)));
    await Promise.all(others.map((other) => other.end()));
    expect(await verify()).toEqual({ broken: null, notes: [expect.stringContaining('entries 1 to 200')] });
    const actions = await pool.manyFirst(sql.type(z.object({ action_id: z.string() }))`
      SELECT action_id FROM analytics.crm_audit_log
    `);
    expect([...actions].toSorted()).toEqual(entries.map(({ actionId }) => actionId).toSorted());
  });

  it('takes texts of any kind as they are', async () => {
    const { trail, verify, pool } = await openLog(0);
    const principal = 'Änn "\\" 🙂 \u0001 {}';
    await trail.append(anEntry({ principal, organizations: ['org,1', '"{}'], subject: { id: 'ß', through: 12 } }));
    expect((await verify()).broken).toBeNull();
    expect(
      await pool.oneFirst(sql.type(z.object({ principal: z.string() }))`SELECT principal FROM analytics.crm_audit_log`),
    ).toBe(principal);
  });

  it('refuses changes, deletions and truncation, also of a month by its own name', async () => {
    const { admin, verify } = await openLog(2);
    const month = `analytics.crm_audit_log_p${new Date().toISOString().slice(0, 7).replace('-', '')}`;
    for (const table of [LOG, month]) {
      for (const statement of [`UPDATE ${table} SET status = 0`, `DELETE FROM ${table}`, `TRUNCATE ${table}`]) {
        await expect(admin.query(statement), statement).rejects.toMatchObject({ code: '42501' });
      }
    }
    expect((await verify()).broken).toBeNull();
  });

  it('goes on after trouble with PostgreSQL, and its writers tell of it', async () => {
    const { url, pool, verify } = await openLog(1);
    const trouble = await createDatabasePool({ url, ca: null, poolSize: 1, applicationName: 'crm-trouble' });
    const { trail } = writerOver(trouble);
    await trail.append(anEntry());
    await pool.query(sql.unsafe`ALTER TABLE analytics.crm_audit_log_head RENAME TO away`);
    await expect(trail.append(anEntry())).rejects.toBeInstanceOf(WriteError);
    await pool.query(sql.unsafe`ALTER TABLE analytics.away RENAME TO crm_audit_log_head`);
    await trail.append(anEntry());
    await trouble.end();
    expect(await verify()).toMatchObject({
      broken: null,
      notes: [expect.stringContaining('entries 1 to 3'), expect.anything()],
    });
  });

  it('never goes back in time, whatever the clocks say', async () => {
    const { pool, trail, verify } = await openLog(1);
    await pool.query(sql.unsafe`UPDATE analytics.crm_audit_log_head SET at = at + interval '1 hour'`);
    const other = writerOver(pool);
    await other.trail.append(anEntry());
    await trail.append(anEntry());
    const times = await pool.anyFirst(sql.type(z.object({ at: z.number() }))`
      SELECT at FROM analytics.crm_audit_log ORDER BY sequence
    `);
    expect([...times]).toEqual([...times].toSorted());
    expect(times[2]).toBe(times[1]);
    expect((await verify()).broken).toBeNull();
  });
});

describe('tampering with the log is found:', () => {
  it.each<[name: string, statements: string[], found: string]>([
    ['a changed field', [`UPDATE ${LOG} SET principal = 'bob' WHERE sequence = 5`], 'entry 5 is not as it was written'],
    ['a changed time', [`UPDATE ${LOG} SET at = at - interval '1 ms' WHERE sequence = 5`], 'entry 5 is not as'],
    ['a changed hash', [`UPDATE ${LOG} SET hash = sha256('x') WHERE sequence = 5`], 'entry 5 is not as it was written'],
    ['a field that became NULL', [`UPDATE ${LOG} SET status = NULL WHERE sequence = 5`], 'entry 5 is not as'],
    ['a removed row', [`DELETE FROM ${LOG} WHERE sequence = 5`], 'entry 5 is missing'],
    ['removed rows', [`DELETE FROM ${LOG} WHERE sequence IN (4, 5, 6)`], 'the entries 4 to 6 are missing'],
    ['a removed beginning', [`DELETE FROM ${LOG} WHERE sequence < 4`], 'the entries before 4 are missing'],
    ['a removed tail', [`DELETE FROM ${LOG} WHERE sequence > 7`], 'entry 8 is missing, and all up to 10'],
    ['all of it removed', [`DELETE FROM ${LOG}`], 'entry 1 is missing, and all up to 10'],
    [
      'two rows that changed places',
      [
        `UPDATE ${LOG} SET sequence = 99 WHERE sequence = 5`,
        `UPDATE ${LOG} SET sequence = 5 WHERE sequence = 6`,
        `UPDATE ${LOG} SET sequence = 6 WHERE sequence = 99`,
      ],
      'entry 5 is not as it was written',
    ],
    [
      'a row put in between',
      [
        `INSERT INTO ${LOG} SELECT sequence, at + interval '1 ms', kind, outcome, action_id, 'eve', principal_kind,
           permission, method, route, subject, organizations, status, problem, request_id, client_address, occurrences,
           key_id, hash FROM ${LOG} WHERE sequence = 5`,
      ],
      'there are two entries 5',
    ],
    [
      'a row put in between, with all later ones moved up',
      [
        `UPDATE ${LOG} SET sequence = -sequence + 1000 WHERE sequence > 5`,
        `UPDATE ${LOG} SET sequence = 1001 - sequence WHERE sequence > 900`,
        `INSERT INTO ${LOG} SELECT 6, at, kind, outcome, action_id, 'eve', principal_kind, permission, method, route,
           subject, organizations, status, problem, request_id, client_address, occurrences, key_id, hash
           FROM ${LOG} WHERE sequence = 5`,
        'UPDATE analytics.crm_audit_log_head SET sequence = 11',
      ],
      'entry 6 is not as it was written',
    ],
    [
      'a row added at the end',
      [
        `INSERT INTO ${LOG} SELECT 11, at, kind, outcome, action_id, 'eve', principal_kind, permission, method, route,
           subject, organizations, status, problem, request_id, client_address, occurrences, key_id, hash
           FROM ${LOG} WHERE sequence = 10`,
      ],
      'entry 11 or a later one was added',
    ],
  ])('%s', async (_name, statements, found) => {
    const { tamper, verify } = await openLog(10, KEY);
    expect(await verify()).toMatchObject({ broken: null });
    await tamper(...statements);
    expect((await verify()).broken).toContain(found);
  });

  it('a field that was changed with its hash made anew', async () => {
    const { pool, tamper, verify } = await openLog(10);
    const [previous, changed] = await pool.anyFirst(sql.type(z.object({ hash: z.string() }))`
      SELECT encode(hash, 'hex') AS hash FROM analytics.crm_audit_log WHERE sequence IN (4, 5) ORDER BY sequence
    `);
    const at = await pool.oneFirst(sql.type(z.object({ at: z.number() }))`
      SELECT at FROM analytics.crm_audit_log WHERE sequence = 5
    `);
    const entry = anEntry({ principal: 'eve' });
    const [forged] = chainAfter(
      { sequence: 4, hash: previous! },
      [entry],
      new Date(at).toISOString(),
      trailDigest(null),
    );
    expect(forged!.hash).not.toBe(changed);
    await tamper(
      `UPDATE ${LOG} SET principal = 'eve', action_id = '${entry.actionId}', request_id = '${entry.requestId}',
         hash = decode('${forged!.hash}', 'hex') WHERE sequence = 5`,
    );
    expect((await verify()).broken).toContain('entry 6 is not as it was written, or not behind');
  });

  it('a log that was written anew without the key, or cut back to a time before it', async () => {
    const { tamper, verify, url } = await openLog(3, KEY);
    const eve = await createDatabasePool({ url, ca: null, poolSize: 1, applicationName: 'crm-eve' });
    const keyless = writerOver(eve);
    await keyless.trail.append(anEntry());
    expect((await verify()).broken).toBe('entry 4 was written without a key, and the one before it with one');
    expect((await verify({ keys: [] })).broken).toContain('which is not given');
    await tamper(
      `DELETE FROM ${LOG}`,
      `UPDATE analytics.crm_audit_log_head SET sequence = 0, hash = decode(repeat('00', 32), 'hex')`,
    );
    await keyless.trail.append(anEntry());
    expect((await verify()).broken).toBe('entry 1, the last one, was written without a key');
    await eve.end();
  });

  it('an end that was removed with the head moved back, by who saw it and by what was noted', async () => {
    const { admin, tamper, verify, trail, cutBacks, places } = await openLog(10, KEY);
    const noted = places.at(-1)!;
    await tamper(
      `DELETE FROM ${LOG} WHERE sequence > 7`,
      `UPDATE analytics.crm_audit_log_head h SET sequence = 7, hash = l.hash FROM ${LOG} l WHERE l.sequence = 7`,
    );
    expect((await verify()).broken).toBeNull();
    expect((await verify({ expected: [noted] })).broken).toContain(
      'entry 8 is missing, and all up to 10, which was noted',
    );
    await trail.append(anEntry());
    expect(cutBacks).toMatchObject([[{ sequence: 10 }, { sequence: 7 }]]);
    for (let n = 0; n < 4; n += 1) await trail.append(anEntry());
    expect((await verify()).broken).toBeNull();
    expect((await verify({ expected: [noted] })).broken).toContain('entry 10 is another one than was noted');
    expect((await admin.query(`SELECT 1 FROM ${LOG}`)).rowCount).toBe(12);
  });
});

it('an empty log verifies, and one that was emptied with its head does when nothing was noted', async () => {
  const { verify, tamper } = await openLog(0, KEY);
  expect(await verify()).toEqual({ broken: null, notes: ['the log is empty'] });
  await tamper(`UPDATE analytics.crm_audit_log_head SET sequence = 3`);
  expect((await verify()).broken).toContain('entry 1 is missing');
  expect((await verify({ expected: [BEGINNING] })).broken).toContain('entry 1 is missing');
});
