import { setTimeout as sleep } from 'node:timers/promises';
import { lagOf, type Progress, readProgress } from '../../../scripts/lib/log-progress.ts';
import type { createProduct } from '../product.ts';
import { parameters } from './parameters.ts';

export type Product = Awaited<ReturnType<typeof createProduct>>;

const POLL_MS = 100;
/** What a busy ingestion may be behind at any moment: half a second's events. */
const STEADY_LAG = parameters.rate / 2;
/** After so long every partition has had new events, so that each lane must have worked to be past them. */
const NEWS_MS = 500;

export const progressOf = (product: Product) => readProgress({ ...product, topics: product.names });

/** Waits until a condition holds; servers that don't answer are asked again. @returns whether it did in time */
async function until(limitMs: number, holds: () => Promise<boolean>): Promise<boolean> {
  const deadline = performance.now() + limitMs;
  while (performance.now() < deadline) {
    // A server that is down answers nothing; a hung connection must not hold us up either.
    if (await Promise.race([holds().catch(() => false), sleep(2_000, false)])) return true;
    await sleep(POLL_MS);
  }
  return false;
}

/** Waits until the product keeps up with the load. @throws Error when it doesn't within the limit */
export async function untilSteady(product: Product, limitMs = 60_000): Promise<void> {
  const steady = await until(limitMs, async () => lagOf(await progressOf(product)) <= STEADY_LAG);
  if (!steady) throw new Error(`the ingestion did not keep up with the load within ${limitMs / 1_000} s`);
}

/**
 * Waits until every partition goes on and the lag is what it was.
 * @returns seconds from the call on
 * @throws Error when it doesn't within the limit
 */
export async function recovery(product: Product, limitMs = 120_000): Promise<number> {
  const began = performance.now();
  await sleep(NEWS_MS);
  let news: Progress[] | null = null;
  const recovered = await until(limitMs, async () => {
    const now = await progressOf(product);
    news ??= now;
    const past = news.every(({ topic, partition, end }) =>
      now.some((at) => at.topic === topic && at.partition === partition && (at.next ?? 0) >= end),
    );
    return past && lagOf(now) <= STEADY_LAG;
  });
  if (!recovered) throw new Error(`the ingestion did not recover within ${limitMs / 1_000} s`);
  return (performance.now() - began) / 1_000;
}

/** Waits until everything that the log holds is ingested. @throws Error when it isn't within the limit */
export async function untilDrained(product: Product, limitMs = 120_000): Promise<void> {
  const drained = await until(limitMs, async () => lagOf(await progressOf(product)) === 0);
  if (!drained) throw new Error(`the lag is not 0 after ${limitMs / 1_000} s`);
}
