import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createBatchSizer, reaches, TARGET_WRITE_MS } from '../../../domain/batch-size.ts';
import { type SimulatedBatch, simulateLane } from './simulated-lane.ts';

const LARGEST = { rows: 5_000, bytes: 4 * 2 ** 20 };
const SMALLEST_ROWS = 1_000;

/** What a database takes for a batch: something for the statement, something for each row. */
const database = (fixedMs: number, perRowMs: number) => (rows: number) => fixedMs + perRowMs * rows;

/** The rows whose write takes as long as it should, within the bounds. */
const idealRows = (fixedMs: number, perRowMs: number) =>
  Math.min(Math.max((TARGET_WRITE_MS - fixedMs) / perRowMs, SMALLEST_ROWS), LARGEST.rows);

const anyDatabase = fc.record({
  fixedMs: fc.double({ min: 1, max: 100, noNaN: true }),
  perRowMs: fc.double({ min: 0.005, max: 1, noNaN: true }),
});

const between = (batches: readonly SimulatedBatch[], from: number, to: number) =>
  batches.filter(({ takenAt }) => from <= takenAt && takenAt < to);

const largestOf = (values: readonly number[]) => values.reduce((most, value) => Math.max(most, value), 0);

describe('a backlog', () => {
  it('is read in batches that approach the target from one side and stay there, whatever the database', () => {
    fc.assert(
      fc.property(anyDatabase, ({ fixedMs, perRowMs }) => {
        const batches = simulateLane({
          sizer: createBatchSizer(LARGEST),
          forMs: 60_000,
          backlog: 10_000_000,
          writeMs: database(fixedMs, perRowMs),
        });
        const sizes = batches.map(({ rows }) => rows);
        const ideal = idealRows(fixedMs, perRowMs);
        expect(Math.abs((sizes.at(-1) ?? 0) / ideal - 1)).toBeLessThan(0.02);
        const upwards = (sizes.at(-1) ?? 0) > (sizes[0] ?? 0);
        sizes.reduce((before, size) => {
          expect(upwards ? size >= before : size <= before).toBe(true);
          return size;
        });
      }),
    );
  });

  it('is read with one batch ahead and no more', () => {
    const batches = simulateLane({
      sizer: createBatchSizer(LARGEST),
      forMs: 20_000,
      backlog: 10_000_000,
      writeMs: database(10, 0.05),
    });
    expect(largestOf(batches.map(({ held }) => held))).toBeLessThanOrEqual(2 * LARGEST.rows);
    // The write never waits for decoding, but for the very first.
    const pauses = batches
      .slice(1)
      .map((batch, index) => batch.writtenAt - batch.writeMs - (batches[index]?.writtenAt ?? 0));
    expect(largestOf(pauses)).toBeLessThan(1e-6);
  });

  it('settles near the target when writes take longer or shorter by chance', () => {
    fc.assert(
      fc.property(fc.infiniteStream(fc.double({ min: 0.7, max: 1.3, noNaN: true })), (chance) => {
        const batches = simulateLane({
          sizer: createBatchSizer(LARGEST),
          forMs: 60_000,
          backlog: 10_000_000,
          writeMs: (rows) => database(10, 0.1)(rows) * chance.next().value,
        });
        for (const { rows } of between(batches, 10_000, 60_000)) {
          expect(rows / idealRows(10, 0.1)).toBeGreaterThan(0.65);
          expect(rows / idealRows(10, 0.1)).toBeLessThan(1.5);
        }
      }),
    );
  });

  it('of large events is cut by their bytes, to one event more at most', () => {
    const batches = simulateLane({
      sizer: createBatchSizer(LARGEST),
      forMs: 20_000,
      backlog: 100_000,
      bytesPerRow: 100_000,
      writeMs: database(10, 0.5),
    });
    expect(largestOf(batches.map(({ bytes }) => bytes))).toBeLessThan(LARGEST.bytes + 100_000);
    expect(batches.at(-1)?.rows).toBe(Math.ceil(LARGEST.bytes / 100_000));
  });
});

describe('a trickle', () => {
  it('is written in what came together during the write before, and teaches nothing', () => {
    const sizer = createBatchSizer(LARGEST);
    const before = sizer.limit;
    const batches = simulateLane({ sizer, forMs: 60_000, rateAt: () => 1.25, writeMs: database(15, 0.05) });
    expect(sizer.limit).toEqual(before);
    // Waits for the write before it at the most, lingers, and is written.
    expect(largestOf(batches.map(({ longestMs }) => longestMs))).toBeLessThan(60);
    expect(batches.every((batch) => !reaches(batch, batch.limit))).toBe(true);
  });

  it('that the database takes long for is written in larger batches instead of falling behind', () => {
    const batches = simulateLane({
      sizer: createBatchSizer(LARGEST),
      forMs: 60_000,
      rateAt: () => 1.25,
      writeMs: database(400, 0.05),
    });
    expect(between(batches, 30_000, 60_000).every(({ rows }) => rows > 400 * 1.25)).toBe(true);
    expect(largestOf(between(batches, 30_000, 60_000).map(({ longestMs }) => longestMs))).toBeLessThan(1_000);
  });
});

describe('a step in load', () => {
  it('is followed up and down again', () => {
    const batches = simulateLane({
      sizer: createBatchSizer(LARGEST),
      forMs: 60_000,
      rateAt: (time) => (time > 20_000 && time < 40_000 ? 15 : 1),
      writeMs: database(10, 0.05),
    });
    const longest = (from: number, to: number) =>
      largestOf(between(batches, from, to).map(({ longestMs }) => longestMs));
    expect(longest(0, 20_000)).toBeLessThan(60);
    expect(longest(20_000, 40_000)).toBeLessThan(500);
    expect(longest(42_000, 60_000)).toBeLessThan(60);
  });
});

describe('a database that is ten times slower for a while', () => {
  const SLOW_FROM = 20_000;
  const SLOW_TO = 60_000;
  const batches = simulateLane({
    sizer: createBatchSizer(LARGEST),
    forMs: 90_000,
    backlog: 10_000_000,
    writeMs: (rows, time) => database(8, 0.06)(rows) * (SLOW_FROM <= time && time < SLOW_TO ? 10 : 1),
  });
  const ideal = idealRows(8, 0.06);

  it('gets smaller batches, never below the smallest', () => {
    const slow = between(batches, SLOW_FROM + 20_000, SLOW_TO);
    expect(slow.length).toBeGreaterThan(10);
    expect(slow.every(({ rows }) => rows >= SMALLEST_ROWS && rows < 1.1 * SMALLEST_ROWS)).toBe(true);
  });

  it('gets what it got before when it is over', () => {
    const [before] = between(batches, SLOW_FROM - 2_000, SLOW_FROM);
    const [after] = between(batches, SLOW_TO + 5_000, 90_000);
    expect((before?.rows ?? 0) / ideal).toBeCloseTo(1, 1);
    expect((after?.rows ?? 0) / ideal).toBeCloseTo(1, 1);
  });
});

it('keeps the bounds whatever the writes take', () => {
  fc.assert(
    fc.property(
      fc.array(fc.double({ min: 0, max: 1e7, noNaN: true }), { maxLength: 100 }),
      fc.integer({ min: 1, max: 50_000 }),
      (writes, rows) => {
        const sizer = createBatchSizer({ rows, bytes: 1_000 });
        for (const writeMs of writes) {
          const { limit } = sizer;
          expect(limit.rows).toBeGreaterThanOrEqual(rows / 5);
          expect(limit.rows).toBeLessThanOrEqual(rows);
          sizer.written({ rows: limit.rows, bytes: 0 }, limit, writeMs);
        }
      },
    ),
  );
});
