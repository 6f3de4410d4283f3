/** From configuration to the retry worker: it works off the queue beside the lanes, over the same servers. */
import { randomUUID } from 'node:crypto';
import { deliverFailed } from '../activities/deliver-failed.ts';
import { type EnqueueDeps, enqueueOne } from '../activities/enqueue-one.ts';
import { deliver, type IngestRules } from '../activities/ingest.ts';
import type { EventDecoder, LogReader, Store } from '../activities/ports.ts';
import { retryFailed } from '../activities/retry-failed.ts';
import { createRetryObserver } from '../adapters/observe/retry-observer.ts';
import type { RetryQueue } from '../adapters/retries/queue.ts';
import { openRetryWorker } from '../adapters/retries/worker.ts';
import type { Config } from '../platform/config.ts';
import { lazily } from '../platform/lazily.ts';
import type { Logger } from '../platform/logger.ts';
import type { Metrics } from '../platform/metrics.ts';
import type { ShutdownStep } from '../platform/shutdown.ts';
import { settleOver } from './settling.ts';

export interface RetryServers {
  reader: LogReader;
  decoder: EventDecoder;
  store: Store;
  queue: RetryQueue;
  rules: IngestRules;
}

/** Starts working off the queue. @returns how to stop it */
export function startRetryWorker(
  { redis, retries, topics, kafka, shutdownGraceMs }: Config,
  { reader, decoder, store, queue, rules }: RetryServers,
  { logger: parent, metrics }: { logger: Logger; metrics: Metrics },
): ShutdownStep {
  const logger = parent.child({ component: 'retries' });
  const observer = createRetryObserver(metrics, logger);
  const run = lazily(
    async () => {
      const runId = randomUUID();
      await store.runs.start({ runId, kind: 'retry', scope: kafka.consumerGroup });
      return runId;
    },
    // Without PostgreSQL the run just stays open in its list; that is no reason to call the shutdown failed.
    (runId) => store.runs.finish(runId, 'stopped').catch(() => {}),
  );
  const settle = settleOver(store.settler, metrics);
  const deps: EnqueueDeps = {
    reader,
    sources: store.sources,
    failed: store.failed,
    topics: Object.values(topics),
    scheduler: queue,
    suppression: rules.suppression,
    backoff: retries.backoff,
    now: Date.now,
    random: Math.random,
    runId: () => run.get(),
    deliver: (event) => deliverFailed(event, decoder, rules, Date.now()),
    deliverRecord: (record, topic) => deliver(record, topic, decoder, rules, Date.now()),
    settle: (settlement, signal) => settle(settlement, signal, (reason) => observer.trouble(reason)),
  };
  const worker = openRetryWorker(
    { ...redis, ...retries.queue, concurrency: retries.concurrency, ratePerSecond: retries.ratePerSecond },
    {
      async retry({ failedId, attempts }, signal) {
        const retried = await retryFailed(deps, failedId, attempts, signal);
        observer.retried(retried?.settled.status ?? 'none');
      },
      enqueue: (at, binding, signal) => enqueueOne(deps, at, binding, signal),
      onTrouble: (reason) => observer.trouble(reason),
    },
    logger,
  );
  return {
    name: 'retries',
    run: async () => {
      // The rest of the time is for what comes after.
      await worker.close(shutdownGraceMs / 2);
      await run.close();
    },
  };
}
