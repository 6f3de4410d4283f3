import type { AbortedTransaction } from './protocol/fetch.ts';
import { decodeRecords, type RecordBatch } from './record-batch.ts';

const ABORT_MARKER = 0;

/**
 * Tells which batches of one fetch hold records for a reader of committed data. Give it the batches in the order of
 * their offsets.
 * @param aborted the transactions that the broker names with the same fetch
 */
export function visibleBatches(
  batches: readonly RecordBatch[],
  aborted: readonly AbortedTransaction[],
): Array<{ batch: RecordBatch; visible: boolean }> {
  const pending = aborted.toSorted((a, b) => a.firstOffset - b.firstOffset);
  const aborting = new Set<bigint>();
  return batches.map((batch) => {
    for (let next = pending[0]; next !== undefined && next.firstOffset <= batch.lastOffset; next = pending[0]) {
      aborting.add(next.producerId);
      pending.shift();
    }
    if (batch.control) {
      // The producer's next transaction may be a committed one.
      if (isAbortMarker(batch)) aborting.delete(batch.producerId);
      return { batch, visible: false };
    }
    return { batch, visible: !(batch.transactional && aborting.has(batch.producerId)) };
  });
}

/** The key of a control record is its version and its type, both INT16. A compacted marker leaves an empty batch. */
function isAbortMarker(batch: RecordBatch): boolean {
  const [marker] = decodeRecords(batch, batch.payload, batch.baseOffset, batch.lastOffset + 1);
  return marker?.key != null && marker.key.length >= 4 && marker.key.readInt16BE(2) === ABORT_MARKER;
}
