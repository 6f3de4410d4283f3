import fc from 'fast-check';
import type { LogRecord } from '../../../activities/ports.ts';
import type { BatchToEncode } from './encode-batch.ts';

const bytes = fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array));
const maybeBytes = fc.option(bytes, { freq: 4 });
const headers = fc.dictionary(fc.string({ unit: 'grapheme', maxLength: 12 }), bytes, {
  maxKeys: 3,
  noNullPrototype: true,
});

/** Batches with gaps between records, before the first and after the last. */
export const batchFrom = (start: number): fc.Arbitrary<BatchToEncode> =>
  fc
    .record({
      skip: fc.nat({ max: 5 }),
      timestamp: fc.nat({ max: 2 ** 45 }),
      tail: fc.nat({ max: 5 }),
      records: fc.array(
        fc.record({
          gap: fc.nat({ max: 3 }),
          delay: fc.integer({ min: -100_000, max: 2 ** 33 }),
          key: maybeBytes,
          value: maybeBytes,
          headers,
        }),
        { maxLength: 12 },
      ),
    })
    .map(({ skip, timestamp, tail, records }) => {
      const baseOffset = start + skip;
      let offset = baseOffset - 1;
      const numbered = records.map(({ gap, delay, key, value, headers: named }): LogRecord => {
        offset += 1 + gap;
        return { offset, timestamp: timestamp + delay, key, value, headers: Object.entries(named) };
      });
      return { baseOffset, lastOffset: Math.max(offset, baseOffset) + tail, records: numbered };
    });

/** Batches that follow each other. */
export const batchesFrom = (start: number, count: number): fc.Arbitrary<BatchToEncode[]> =>
  count === 0
    ? fc.constant([])
    : batchFrom(start).chain((batch) =>
        batchesFrom((batch.lastOffset ?? start) + 1, count - 1).map((more) => [batch, ...more]),
      );
