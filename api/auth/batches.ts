import { setTimeout as sleep } from 'node:timers/promises';

/** Most ids of one question. */
const MOST_IDS = 1_000;

/** Between two questions. */
const PAUSE_MS = 20;

/**
 * Looks things up by id, those of concurrent callers together: one question is under way at a time, with a pause before
 * the next, however many ask.
 * @param ask what there is of some ids
 */
export function createBatches<Thing>(
  ask: (ids: readonly string[]) => Promise<readonly Thing[]>,
  idOf: (thing: Thing) => string,
): { find(id: string): Promise<Thing | null> } {
  let waiting = new Map<string, PromiseWithResolvers<Thing | null>>();
  let isWorking = false;

  async function work(): Promise<void> {
    isWorking = true;
    while (waiting.size > 0) {
      const entries = [...waiting];
      const batch = entries.slice(0, MOST_IDS);
      waiting = new Map(entries.slice(MOST_IDS));
      try {
        const found = new Map((await ask(batch.map(([id]) => id))).map((thing) => [idOf(thing), thing]));
        for (const [id, { resolve }] of batch) resolve(found.get(id) ?? null);
      } catch (error) {
        for (const [, { reject }] of batch) reject(error);
      }
      await sleep(PAUSE_MS);
    }
    isWorking = false;
  }

  return {
    find(id) {
      const known = waiting.get(id);
      if (known !== undefined) return known.promise;
      const added = Promise.withResolvers<Thing | null>();
      waiting.set(id, added);
      if (!isWorking) void work();
      return added.promise;
    },
  };
}
