import type { LaneObserver, SliceCounts } from '../../activities/ports.ts';
import type { Logger } from '../../platform/logger.ts';
import type { Metrics } from '../../platform/metrics.ts';

/** Kinds are part of a metric's name space: letters alone keep a stray text from becoming a label of its own. */
const KIND = /^[a-z][a-z_]{0,39}$/u;

const FAILURES_EVERY_MS = 10_000;

/**
 * Turns what a lane reports into metrics, and into one log line per incident, stall and slice, never per event or
 * batch; events that fail are logged by their number, every ten seconds at most. One for each lane, since it remembers whether its lane is stalled.
 * @param logger with the lane and run as its fields
 */
export function createLaneObserver(metrics: Metrics, logger: Logger): LaneObserver {
  let stall: { reason: string; since: number } | null = null;
  let failures = { failed: 0, dead: 0 };
  let failuresLogged = Number.NEGATIVE_INFINITY;

  function logFailures(): void {
    if (failures.failed + failures.dead > 0) {
      logger.warn('events failed', { cause: 'row', ...failures });
      failures = { failed: 0, dead: 0 };
      failuresLogged = performance.now();
    }
  }

  function noteFailures({ failed, dead }: SliceCounts): void {
    failures = { failed: failures.failed + failed, dead: failures.dead + dead };
    if (performance.now() - failuresLogged >= FAILURES_EVERY_MS) logFailures();
  }

  function recovered(): void {
    if (stall === null) return;
    metrics.lanesStalled.dec();
    logger.info('lane goes on', { reason: stall.reason, stalledMs: Math.round(performance.now() - stall.since) });
    stall = null;
  }

  return {
    batchWritten({ slices, counts, events, late, seconds, latencies }) {
      recovered();
      noteFailures(counts);
      for (const { eventType, outcome, count } of events) {
        metrics.events.inc({ event_type: eventType, outcome }, count);
      }
      for (const { entity, policy, count } of late) metrics.lateEvents.inc({ entity, policy }, count);
      metrics.batchRows.observe(counts.stored + counts.skipped + counts.filtered + counts.failed + counts.dead);
      for (const stage of ['fetch', 'decode', 'write'] as const) {
        metrics.batchSeconds.observe({ stage }, seconds[stage]);
      }
      for (const latency of latencies) metrics.produceToCommitSeconds.observe(latency);
      for (const { topic, partition, next, endOffset } of slices) {
        metrics.partitionPosition.set({ topic, partition }, next);
        metrics.partitionLagEvents.set({ topic, partition }, Math.max(0, endOffset - next));
      }
    },
    incident(kind, fields) {
      metrics.incidents.inc({ kind: KIND.test(kind) ? kind : 'other' });
      logger.warn('incident', { ...fields, kind });
    },
    stalled(reason) {
      if (stall !== null) return;
      stall = { reason, since: performance.now() };
      metrics.laneStalls.inc();
      metrics.lanesStalled.inc();
      logger.warn('lane waits for a server', { cause: 'server', reason });
    },
    recovered,
    batchRetried() {
      metrics.batchRetries.inc();
    },
    batchSplit() {
      metrics.batchSplits.inc();
    },
    released(partitions) {
      recovered();
      logFailures();
      for (const { topic, partition } of partitions) {
        metrics.partitionPosition.remove({ topic, partition });
        metrics.partitionLagEvents.remove({ topic, partition });
      }
    },
    info(message, fields) {
      logger.info(message, fields);
    },
  };
}
