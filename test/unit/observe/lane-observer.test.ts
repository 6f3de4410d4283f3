import { describe, expect, it } from 'vitest';
import type { LaneObserver, SliceCounts } from '../../../activities/ports.ts';
import { createLaneObserver } from '../../../adapters/observe/lane-observer.ts';
import { createMetrics } from '../../../platform/metrics.ts';
import { recordingLogger } from '../platform/recording-logger.ts';

const COUNTS: SliceCounts = {
  stored: 4,
  skipped: 2,
  conflicts: 1,
  filtered: 1,
  failed: 1,
  dead: 1,
  tombstones: 1,
  absent: 3,
};

const BATCH: Parameters<LaneObserver['batchWritten']>[0] = {
  slices: [
    { topic: 'crm.leads', partition: 0, next: 70, endOffset: 100 },
    { topic: 'crm.leads', partition: 1, next: 50, endOffset: 50 },
  ],
  counts: COUNTS,
  late: [],
  events: [
    { eventType: 'lead.created', outcome: 'processed', count: 4 },
    { eventType: 'unknown', outcome: 'dead', count: 1 },
  ],
  seconds: { fetch: 0.1, decode: 0.02, write: 0.3 },
  latencies: [0.05, 0.2],
};

function observed() {
  const metrics = createMetrics();
  const logger = recordingLogger();
  return {
    observer: createLaneObserver(metrics, logger),
    another: () => createLaneObserver(metrics, logger),
    logger,
    async lines(prefix: string) {
      const text = await metrics.registry.metrics();
      return text.split('\n').filter((line) => line.startsWith(prefix));
    },
  };
}

describe('a batch', () => {
  it('with failures is logged by its numbers, later ones together when the lane ends', () => {
    const { observer, logger } = observed();
    for (let batch = 0; batch < 3; batch += 1) observer.batchWritten(BATCH);
    observer.released([]);
    expect(logger.lines).toMatchObject([
      { message: 'events failed', fields: { cause: 'row', failed: 1, dead: 1 } },
      { message: 'events failed', fields: { cause: 'row', failed: 2, dead: 2 } },
    ]);
  });

  it('moves the metrics and writes no log line', async () => {
    const { observer, logger, lines } = observed();
    observer.batchWritten({ ...BATCH, counts: { ...COUNTS, failed: 0, dead: 0, stored: 6 } });
    expect(await lines('crm_events_total')).toEqual([
      'crm_events_total{event_type="lead.created",outcome="processed"} 4',
      'crm_events_total{event_type="unknown",outcome="dead"} 1',
    ]);
    expect(await lines('crm_batch_rows_sum')).toEqual(['crm_batch_rows_sum 9']);
    expect(await lines('crm_batch_seconds_sum')).toEqual([
      'crm_batch_seconds_sum{stage="fetch"} 0.1',
      'crm_batch_seconds_sum{stage="decode"} 0.02',
      'crm_batch_seconds_sum{stage="write"} 0.3',
    ]);
    expect(await lines('crm_produce_to_commit_seconds_count')).toEqual(['crm_produce_to_commit_seconds_count 2']);
    expect(await lines('crm_partition_position')).toEqual([
      'crm_partition_position{topic="crm.leads",partition="0"} 70',
      'crm_partition_position{topic="crm.leads",partition="1"} 50',
    ]);
    expect(await lines('crm_partition_lag_events')).toEqual([
      'crm_partition_lag_events{topic="crm.leads",partition="0"} 30',
      'crm_partition_lag_events{topic="crm.leads",partition="1"} 0',
    ]);
    expect(logger.lines).toEqual([]);
  });

  it('leaves no stale gauges behind once the lane has let its partitions go', async () => {
    const { observer, lines } = observed();
    observer.batchWritten(BATCH);
    observer.released([{ topic: 'crm.leads', partition: 0 }]);
    expect(await lines('crm_partition_')).toEqual([
      'crm_partition_position{topic="crm.leads",partition="1"} 50',
      'crm_partition_lag_events{topic="crm.leads",partition="1"} 0',
    ]);
  });
});

describe('a stall', () => {
  it.each<[string, (observer: LaneObserver) => void]>([
    ['the next batch', (observer) => observer.batchWritten(BATCH)],
    ['word that the lane goes on', (observer) => observer.recovered()],
    ['the end of the lane', (observer) => observer.released([])],
  ])('is one line at its start and one at its end, by %s', async (_, end) => {
    const { observer, logger, lines } = observed();
    observer.stalled('registry');
    observer.stalled('registry');
    observer.stalled('postgres');
    expect(await lines('crm_lane_stalled')).toEqual(['crm_lane_stalled 1']);
    end(observer);
    end(observer);
    expect(await lines('crm_lane_stall')).toEqual(['crm_lane_stalls_total 1', 'crm_lane_stalled 0']);
    expect(logger.lines.filter(({ message }) => message.startsWith('lane '))).toMatchObject([
      { level: 'warn', fields: { cause: 'server', reason: 'registry' } },
      { level: 'info', fields: { reason: 'registry', stalledMs: expect.any(Number) } },
    ]);
  });

  it('of one lane is not ended by another', async () => {
    const { observer, another, lines } = observed();
    const other = another();
    observer.stalled('kafka');
    other.stalled('kafka');
    other.recovered();
    expect(await lines('crm_lane_stalled')).toEqual(['crm_lane_stalled 1']);
  });
});

describe('an incident', () => {
  it('is counted by its kind and is one line', async () => {
    const { observer, logger, lines } = observed();
    observer.incident('offsets_lost', { topic: 'crm.leads', partition: 0, from: 1, to: 9 });
    expect(await lines('crm_incidents_total')).toEqual(['crm_incidents_total{kind="offsets_lost"} 1']);
    expect(logger.lines).toMatchObject([{ level: 'warn', fields: { kind: 'offsets_lost', from: 1, to: 9 } }]);
  });

  it('can not make a label out of any text', async () => {
    const { observer, lines } = observed();
    observer.incident('crm.leads[0]: offset 5', {});
    observer.incident('x'.repeat(100), {});
    expect(await lines('crm_incidents_total')).toEqual(['crm_incidents_total{kind="other"} 2']);
  });
});
