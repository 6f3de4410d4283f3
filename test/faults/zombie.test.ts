import type { ChildProcess } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { sql } from 'slonik';
import { expect, it } from 'vitest';
import { z } from 'zod';
import { inForm } from '../helpers/faults/parameters.ts';
import type { Product } from '../helpers/faults/progress.ts';
import { underLoad } from '../helpers/faults/scenario.ts';

const ROUNDS = inForm({ test: 1, short: 1, long: 5 });

/** The owners of the live positions, `host:pid/lane` each. */
const owners = ({ pool }: Product) =>
  pool.anyFirst(sql.type(z.object({ owner: z.string().nullable() }))`
    SELECT owner FROM analytics.crm_positions WHERE NOT closed`);

const ownsIn = (all: ReadonlyArray<string | null>, worker: ChildProcess) =>
  all.filter((owner) => owner?.includes(`:${worker.pid}/`)).length;

/** Batches that were committed although a later owner of the range had written already. */
const writtenByZombies = ({ pool }: Product) =>
  pool.any(sql.unsafe`
    SELECT old.position_id, old.epoch, old.from_offset FROM analytics.crm_batches old
    WHERE EXISTS (
      SELECT 1 FROM analytics.crm_batches new
      WHERE new.position_id = old.position_id AND new.epoch > old.epoch AND new.committed_at < old.committed_at
    )`);

it('a worker that sleeps longer than its lease writes nothing when it wakes', {
  timeout: 60_000 + 60_000 * ROUNDS,
}, async () => {
  await underLoad({ fault: 'SIGSTOP of a worker for longer than its lease' }, async (scene) => {
    const { product, workers, random, inflict } = scene;
    for (let round = 0; round < ROUNDS; round += 1) {
      let sleeper: ChildProcess | undefined;
      await inflict(async () => {
        await sleep(random.between(0, 500));
        const all = await owners(product);
        sleeper = workers.toSorted((a, b) => ownsIn(all, b) - ownsIn(all, a))[0]!;
        expect(ownsIn(all, sleeper)).toBeGreaterThan(0);
        sleeper.kill('SIGSTOP');
      });
      expect(ownsIn(await owners(product), sleeper!)).toBe(0);
      await inflict(async () => sleeper!.kill('SIGCONT'));
      // The zombie finds out with its next batch, which it has in hand.
      await sleep(2_000);
      expect(await writtenByZombies(product)).toEqual([]);
    }
  });
});
