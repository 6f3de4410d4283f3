import { setTimeout as sleep } from 'node:timers/promises';
import { type DatabasePool, sql } from 'slonik';
import { z } from 'zod';
import type { Mode } from './tcp-proxy.ts';

/** A switch in a test's database, of which no code of the product knows. */
export interface Switch {
  on(): Promise<void>;
  off(): Promise<void>;
}

/** While it is on, the COMMIT of every batch takes a second and more: a deferred trigger sleeps in it. */
export function slowCommit(pool: DatabasePool): Promise<Switch> {
  return triggerSwitch(pool, {
    name: 'slow_commit',
    body: sql.fragment`PERFORM pg_sleep(1)`,
    trigger: sql.fragment`
      CREATE CONSTRAINT TRIGGER fault_slow_commit AFTER INSERT ON analytics.crm_batches
      DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION faults.slow_commit()`,
  });
}

/** While it is on, every batch is refused as by a server without space on its disk. */
export function diskFull(pool: DatabasePool): Promise<Switch> {
  return triggerSwitch(pool, {
    name: 'disk_full',
    body: sql.fragment`
      RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100'`,
    trigger: sql.fragment`
      CREATE TRIGGER fault_disk_full AFTER INSERT ON analytics.crm_batches
      FOR EACH STATEMENT EXECUTE FUNCTION faults.disk_full()`,
  });
}

/** The trigger runs as its owner: the product's logins have no right to look at the switch. */
async function triggerSwitch(
  pool: DatabasePool,
  fault: { name: string; body: ReturnType<typeof sql.fragment>; trigger: ReturnType<typeof sql.fragment> },
): Promise<Switch> {
  const name = sql.literalValue(fault.name);
  await pool.query(sql.unsafe`CREATE SCHEMA IF NOT EXISTS faults`);
  await pool.query(sql.unsafe`CREATE TABLE IF NOT EXISTS faults.switched_on (fault TEXT PRIMARY KEY)`);
  await pool.query(sql.unsafe`
    CREATE FUNCTION ${sql.identifier(['faults', fault.name])}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
    BEGIN
      IF EXISTS (SELECT 1 FROM faults.switched_on WHERE fault = ${name}) THEN
        ${fault.body};
      END IF;
      RETURN NULL;
    END $$`);
  await pool.query(sql.unsafe`${fault.trigger}`);
  return {
    on: async () => {
      await pool.query(sql.unsafe`INSERT INTO faults.switched_on VALUES (${name})`);
    },
    off: async () => {
      await pool.query(sql.unsafe`DELETE FROM faults.switched_on WHERE fault = ${name}`);
    },
  };
}

/** Waits until some batch sleeps in its COMMIT. @returns the lane that sent it, `host:pid/lane` */
export async function ownerInCommit(pool: DatabasePool): Promise<string> {
  for (;;) {
    const owner = await pool.maybeOneFirst(sql.type(z.object({ owner: z.string() }))`
      SELECT p.owner FROM pg_stat_activity a JOIN analytics.crm_positions p ON p.backend_pid = a.pid
      WHERE a.datname = current_database() AND a.wait_event = 'PgSleep' LIMIT 1`);
    if (owner !== null) return owner;
    await sleep(10);
  }
}

/** A proxy's mode in which PostgreSQL commits one batch, and its client never hears of it. */
export function swallowCommit(swallowed: () => void): Mode {
  return { is: 'swallow-answer', marker: 'crm_assert_fence', complete: isReadyForQuery, swallowed };
}

/** The last message of every answer, once its transaction is committed: Z, length 5, status I (idle). */
const READY_FOR_QUERY = Buffer.from([0x5a, 0, 0, 0, 5, 0x49]);

function isReadyForQuery(answer: Buffer): boolean {
  return answer.subarray(-READY_FOR_QUERY.length).equals(READY_FOR_QUERY);
}
