/**
 * A batch whose events are all taken for new, in the form in which it is sent. It comes together part by part: with its
 * columns in binary form, nobody has to keep its deliveries until it is written.
 */
import type { FragmentSqlToken } from 'slonik';
import type { Batch, BatchEncoder, BatchResult, Delivery } from '../../activities/ports.ts';
import type { CRMEventType } from '../../domain/events.ts';
import { type BatchColumns, type ParkedColumns, toColumns } from './batch-columns.ts';
import { createEventCounts } from './event-counts.ts';
import { createNeededPartitions, type NeededPartitions } from './needed-partitions.ts';
import { Rows } from './rows.ts';
import { PLAIN_DELIVERIES } from './staging-steps.ts';
import { type StagingTable, tablesOf } from './staging-tables.ts';

export interface FreshBatch {
  /** How many deliveries get rows. */
  rows: number;
  deliveries: FragmentSqlToken;
  /** For each table that gets rows, those of its `values`. */
  staged: ReadonlyArray<{ table: StagingTable; source: FragmentSqlToken }>;
  /** Of each slice: counted, but no rows. */
  tombstones: number[];
  /** null: nothing is left in Kafka. */
  parked: ParkedColumns | null;
  /** What becomes of the events, since the statement does not say: it is all or nothing. */
  events: BatchResult['events'];
  /** It was written: what it was sent as is written over from then on. */
  release(): void;
}

/** @param slices how many the batch has */
function createFreshBatch(slices: number) {
  const deliveries = new Rows();
  const staged = new Map<StagingTable, Rows>();
  const events = createEventCounts('processed');
  const tombstones = new Array<number>(slices).fill(0);
  let rows = 0;

  return {
    rows: () => rows,
    add(columns: BatchColumns): void {
      rows += columns.deliveries.ord.length;
      deliveries.add(PLAIN_DELIVERIES.values(columns));
      for (const table of tablesOf(columns)) {
        const known = staged.get(table) ?? new Rows();
        staged.set(table, known);
        known.add(table.values(columns));
      }
      events.add(columns.deliveries.eventType as CRMEventType[]);
      columns.tombstones.forEach((count, slice) => {
        tombstones[slice] = (tombstones[slice] ?? 0) + count;
      });
    },
    end: (parked: ParkedColumns | null): FreshBatch => ({
      rows,
      deliveries: deliveries.end(),
      staged: [...staged].map(([table, source]) => ({ table, source: source.end() })),
      tombstones,
      parked,
      events: events.all(),
      release() {
        deliveries.release();
        for (const source of staged.values()) {
          source.release();
        }
      },
    }),
  };
}

/** @returns null when the batch can't be all new */
export function freshBatch(columns: BatchColumns): FreshBatch | null {
  if (!columns.deliveries.status.every((status) => status === 'stage')) {
    return null;
  }
  const fresh = createFreshBatch(columns.tombstones.length);
  fresh.add(columns);
  return fresh.end(columns.parked);
}

interface EncodedBatch {
  fresh: FreshBatch;
  partitions: NeededPartitions;
}

const encodedBatches = new WeakMap<Batch, EncodedBatch>();

/** What `encodeBatch` made of a batch. */
export const encoded = (batch: Batch): EncodedBatch | undefined => encodedBatches.get(batch);

/** @see Store.encode */
export function encodeBatch(batch: Pick<Batch, 'slices'>): BatchEncoder {
  const { slices } = batch;
  const fresh = createFreshBatch(slices.length);
  const partitions = createNeededPartitions();
  return {
    add(deliveries) {
      if (!deliveries.every(isStaged)) {
        return false;
      }
      fresh.add(toColumns({ slices, deliveries }, fresh.rows()));
      partitions.add(deliveries);
      return true;
    },
    end: (whole) => {
      const ended = fresh.end(null);
      const release = () => {
        encodedBatches.delete(whole);
        ended.release();
      };
      encodedBatches.set(whole, { fresh: { ...ended, release }, partitions: partitions.all() });
    },
  };
}

const isStaged = ({ kind }: Delivery) => kind === 'stage' || kind === 'tombstone';
