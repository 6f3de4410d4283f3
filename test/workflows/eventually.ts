import { setTimeout as delay } from 'node:timers/promises';

const WITHIN_MS = 20_000;

/** Waits until a check throws no more; how long that takes on a busy machine is not what is tested. */
export async function eventually(check: () => void | Promise<void>): Promise<void> {
  const until = Date.now() + WITHIN_MS;
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (Date.now() > until) throw error;
    }
    await delay(50);
  }
}
