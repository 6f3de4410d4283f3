import { describe, expect, it } from 'vitest';
import { readBatches } from '../../../adapters/kafka/record-batch.ts';
import { visibleBatches } from '../../../adapters/kafka/transactions.ts';
import { encodeBatch, encodeMarker, record } from './encode-batch.ts';

const ABORT = 0;
const COMMIT = 1;

const inTransaction = (offset: number, producerId: number) =>
  encodeBatch({ baseOffset: offset, transactional: true, producerId, records: [record(offset)] });
const plain = (offset: number) => encodeBatch({ baseOffset: offset, records: [record(offset)] });

async function visibleOffsets(
  encoded: Array<Promise<Buffer>>,
  aborted: Array<{ producerId: bigint; firstOffset: number }>,
): Promise<number[]> {
  const batches = readBatches(Buffer.concat(await Promise.all(encoded)));
  return visibleBatches(batches, aborted).flatMap(({ batch, visible }) => (visible ? batch.baseOffset : []));
}

describe('transactions', () => {
  it('show the committed and hide the aborted, of producers side by side', async () => {
    const log = [
      inTransaction(0, 7),
      inTransaction(1, 8),
      plain(2),
      inTransaction(3, 7),
      encodeMarker(4, 7, ABORT),
      inTransaction(5, 8),
      encodeMarker(6, 8, COMMIT),
    ];
    expect(await visibleOffsets(log, [{ producerId: 7n, firstOffset: 0 }])).toEqual([1, 2, 5]);
  });

  it('show what a producer commits after it has aborted', async () => {
    const log = [
      inTransaction(0, 7),
      encodeMarker(1, 7, ABORT),
      inTransaction(2, 7),
      encodeMarker(3, 7, COMMIT),
      inTransaction(4, 7),
      encodeMarker(5, 7, ABORT),
    ];
    const aborted = [
      { producerId: 7n, firstOffset: 4 },
      { producerId: 7n, firstOffset: 0 },
    ];
    expect(await visibleOffsets(log, aborted)).toEqual([2]);
  });

  it('hide the rest of an aborted one that began before the fetch', async () => {
    const log = [inTransaction(50, 7), encodeMarker(51, 7, ABORT), inTransaction(52, 7)];
    expect(await visibleOffsets(log, [{ producerId: 7n, firstOffset: 3 }])).toEqual([52]);
  });

  it('hide nothing of an idempotent producer outside of one', async () => {
    const log = [encodeBatch({ baseOffset: 0, producerId: 7, records: [record(0)] })];
    expect(await visibleOffsets(log, [{ producerId: 7n, firstOffset: 0 }])).toEqual([0]);
  });
});
