// The API of redrives as a person would call it.
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';

const POLL_MS = 100;
const GIVE_UP_MS = 600_000;

const shownSchema = z.looseObject({
  redriveId: z.string(),
  status: z.string(),
  counts: z.record(z.string(), z.number()),
  eventsPerSecond: z.number().nullish(),
});

export type ShownRedrive = z.infer<typeof shownSchema> & { done: number };

export interface RedriveApi {
  request(body: object): Promise<ShownRedrive>;
  get(redriveId: string): Promise<ShownRedrive>;
  tell(redriveId: string, what: 'pause' | 'resume' | 'cancel'): Promise<void>;
  /** Waits for a status. @throws Error after ten minutes */
  until(redriveId: string, status: string): Promise<ShownRedrive>;
  /** Waits until so many events are done. @throws Error after ten minutes */
  untilDone(redriveId: string, events: number): Promise<void>;
  /** @returns in milliseconds */
  latency(path: string, calls: number): Promise<{ p50: number; p99: number }>;
}

/** @param base its URL with the version's prefix */
export function openRedriveApi(base: string): RedriveApi {
  async function ask(method: string, path: string, body?: object): Promise<unknown> {
    const response = await fetch(`${base}${path}`, {
      method,
      headers: { 'content-type': 'application/json' },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
    return response.json();
  }

  function shown(body: unknown): ShownRedrive {
    const redrive = shownSchema.parse(body);
    return { ...redrive, done: Object.values(redrive.counts).reduce((sum, count) => sum + count, 0) };
  }

  const get = async (redriveId: string) => shown(await ask('GET', `/redrives/${redriveId}`));

  async function poll(redriveId: string, wanted: (redrive: ShownRedrive) => boolean): Promise<ShownRedrive> {
    for (const until = performance.now() + GIVE_UP_MS; performance.now() < until; await sleep(POLL_MS)) {
      const redrive = await get(redriveId);
      if (wanted(redrive)) return redrive;
    }
    throw new Error(`redrive ${redriveId} is not what it should be after ${GIVE_UP_MS / 60_000} minutes`);
  }

  return {
    get,
    request: async (body) => shown(await ask('POST', '/redrives', body)),
    async tell(redriveId, what) {
      await ask('POST', `/redrives/${redriveId}/${what}`);
    },
    until: (redriveId, status) => poll(redriveId, (redrive) => redrive.status === status),
    async untilDone(redriveId, events) {
      await poll(redriveId, ({ done }) => done >= events);
    },
    async latency(path, calls) {
      const took: number[] = [];
      for (let call = 0; call < calls; call += 1) {
        const asked = performance.now();
        await ask('GET', path);
        took.push(performance.now() - asked);
      }
      const sorted = took.toSorted((a, b) => a - b);
      const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
      return { p50: at(0.5), p99: at(0.99) };
    },
  };
}
