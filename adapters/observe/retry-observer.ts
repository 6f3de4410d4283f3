import { Gauge } from 'prom-client';
import type { Logger } from '../../platform/logger.ts';
import type { Metrics } from '../../platform/metrics.ts';

/** What the retry worker reports. */
export interface RetryObserver {
  /** `none`: there was nothing to do. */
  retried(outcome: 'processed' | 'skipped' | 'filtered' | 'failed' | 'dead' | 'none'): void;
  /** Why retries wait, null when they don't; may be said again while it lasts. */
  trouble(reason: string | null): void;
}

/** Counts retries, and logs when they begin to wait and when they go on. */
export function createRetryObserver(metrics: Metrics, logger: Logger): RetryObserver {
  let waiting = false;
  return {
    retried(outcome) {
      metrics.retries.inc({ outcome });
    },
    trouble(reason) {
      if (reason !== null && !waiting) logger.warn('retries wait', { reason });
      if (reason === null && waiting) logger.info('retries go on');
      waiting = reason !== null;
    },
  };
}

/** Asks for the depth of the queue whenever metrics are; without an answer there is no value. */
export function observeQueueDepth(queue: { depth(): Promise<object> }, { registry }: Metrics): void {
  new Gauge({
    name: 'crm_retry_jobs',
    help: 'Jobs of the retry queue by state.',
    labelNames: ['state'],
    registers: [registry],
    async collect() {
      this.reset();
      const depth = await queue.depth().catch(() => ({}));
      for (const [state, jobs] of Object.entries(depth)) this.set({ state }, jobs);
    },
  });
}
