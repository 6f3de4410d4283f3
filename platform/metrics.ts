/** Every metric of this product, on a registry of its own that is handed around, never on prom-client's global one. */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

/** From a commit that keeps up with a trickle to one that is far behind. */
const LATENCY_BUCKETS = [
  0.005, 0.01, 0.015, 0.02, 0.03, 0.04, 0.05, 0.06, 0.08, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 5, 7.5, 10,
];
const STAGE_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const ROW_BUCKETS = [1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000];
const REQUEST_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

export type Metrics = ReturnType<typeof createMetrics>;

/** Makes the metrics with all zero, and the default ones of the process. */
export function createMetrics() {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const registers = [registry];
  return {
    registry,
    events: new Counter({
      name: 'crm_events_total',
      help: 'Deliveries by event type and outcome: processed, skipped, conflict, filtered, failed, dead.',
      labelNames: ['event_type', 'outcome'],
      registers,
    }),
    lateEvents: new Counter({
      name: 'crm_late_events_total',
      help: 'Events past the retention of their table that lanes read, by the policy: rebuild, quarantine, drop.',
      labelNames: ['entity', 'policy'],
      registers,
    }),
    batchRows: new Histogram({
      name: 'crm_batch_rows',
      help: 'Deliveries in one transaction.',
      buckets: ROW_BUCKETS,
      registers,
    }),
    batchSeconds: new Histogram({
      name: 'crm_batch_seconds',
      help: 'Time that one batch spent in a stage: fetch, decode, write.',
      labelNames: ['stage'],
      buckets: STAGE_BUCKETS,
      registers,
    }),
    produceToCommitSeconds: new Histogram({
      name: 'crm_produce_to_commit_seconds',
      help: "From a record's timestamp in Kafka to the commit of its batch in PostgreSQL.",
      buckets: LATENCY_BUCKETS,
      registers,
    }),
    partitionPosition: new Gauge({
      name: 'crm_partition_position',
      help: 'Next offset to read, as this process committed it last.',
      labelNames: ['topic', 'partition'],
      registers,
    }),
    partitionLagEvents: new Gauge({
      name: 'crm_partition_lag_events',
      help: 'Offsets between the position and the last stable offset, when this process committed last.',
      labelNames: ['topic', 'partition'],
      registers,
    }),
    positionsMirrored: new Counter({
      name: 'crm_positions_mirrored_total',
      help: 'Positions published to the Kafka consumer group.',
      registers,
    }),
    mirrorFailures: new Counter({
      name: 'crm_mirror_failures_total',
      help: 'Failed attempts to publish positions; the positions themselves are safe in PostgreSQL.',
      registers,
    }),
    incidents: new Counter({
      name: 'crm_incidents_total',
      help: 'Events that a person should know of, such as offsets lost to retention.',
      labelNames: ['kind'],
      registers,
    }),
    parkedRecords: new Gauge({
      name: 'crm_parked_records',
      help: 'Records left in Kafka, by topic and state of their stream, as of the last sweep.',
      labelNames: ['topic', 'state'],
      registers,
    }),
    overQuotaRecords: new Gauge({
      name: 'crm_over_quota_records',
      help: 'Records left in Kafka because their organization is over its quota, by topic, as of the last sweep.',
      labelNames: ['topic'],
      registers,
    }),
    laneStalls: new Counter({
      name: 'crm_lane_stalls_total',
      help: 'Times that a lane began to wait for a server.',
      registers,
    }),
    lanesStalled: new Gauge({
      name: 'crm_lane_stalled',
      help: 'Lanes of this process that wait for a server now.',
      registers,
    }),
    batchRetries: new Counter({
      name: 'crm_batch_retries_total',
      help: 'Batches tried again after trouble of the server.',
      registers,
    }),
    batchSplits: new Counter({
      name: 'crm_batch_splits_total',
      help: 'Batches halved to find a row that PostgreSQL refuses, or because they were too large for it.',
      registers,
    }),
    retries: new Counter({
      name: 'crm_retries_total',
      help: 'Retries of failed events by outcome: processed, skipped, filtered, failed, dead, none (nothing to do).',
      labelNames: ['outcome'],
      registers,
    }),
    redriven: new Counter({
      name: 'crm_redriven_total',
      help: 'Failed events that were redriven or given up by a redrive, by outcome: processed, skipped, filtered, failed, dead, discarded.',
      labelNames: ['outcome'],
      registers,
    }),
    replayed: new Counter({
      name: 'crm_replay_events_total',
      help: 'Events that replays and backfills read, by outcome: stored, skipped, changed (of those skipped), filtered, failed, dead, parked.',
      labelNames: ['kind', 'mode', 'outcome'],
      registers,
    }),
    sweepEnqueued: new Counter({
      name: 'crm_sweep_enqueued_total',
      help: 'Due retries that the sweep put into the queue, unless they were in it.',
      registers,
    }),
    booksGaps: new Gauge({
      name: 'crm_books_gaps',
      help: 'Gaps and overlaps in the chains of batches, as this process found them last; 0 is good.',
      registers,
    }),
    booksImbalance: new Gauge({
      name: 'crm_books_imbalance',
      help: 'By how many events the chains and the tables differ, as this process found it last; 0 is good.',
      registers,
    }),
    partitions: new Gauge({
      name: 'crm_partitions',
      help: 'Partitions of a table that are attached, its DEFAULT partition among them.',
      labelNames: ['table'],
      registers,
    }),
    defaultRows: new Gauge({
      name: 'crm_default_rows',
      help: 'Rows in the DEFAULT partition of a table; 0 is good.',
      labelNames: ['table'],
      registers,
    }),
    retiredRows: new Counter({
      name: 'crm_retired_rows_total',
      help: 'Rows past retention, by what became of them: dropped, archived, deleted.',
      labelNames: ['how'],
      registers,
    }),
    maintenanceRuns: new Counter({
      name: 'crm_maintenance_runs_total',
      help: 'Runs of partition maintenance by outcome: finished, failed, skipped (another was at work).',
      labelNames: ['outcome'],
      registers,
    }),
    maintenanceSeconds: new Gauge({
      name: 'crm_maintenance_seconds',
      help: 'How long the last maintenance of this process took.',
      registers,
    }),
    httpRefused: new Counter({
      name: 'crm_http_refused_total',
      help: 'Requests refused by a limit, by reason: address, authentication (too many failures), identity, open (paths without identity), and connections.',
      labelNames: ['reason'],
      registers,
    }),
    certificateEnds: new Gauge({
      name: 'crm_certificate_ends_timestamp_seconds',
      help: 'When the certificate of a server of ours ends, in Unix time: api, worker; absent without TLS.',
      labelNames: ['server'],
      registers,
    }),
    httpRequestSeconds: new Histogram({
      name: 'crm_http_request_seconds',
      help: 'Time to answer a request of the API, by route pattern.',
      labelNames: ['method', 'route', 'status'],
      buckets: REQUEST_BUCKETS,
      registers,
    }),
  };
}
