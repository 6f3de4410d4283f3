/** Whole topics in windows of time. */
import type { PlanControl, ReplaySelection } from './replay-ports.ts';
import { type FoundRange, InvalidSelectionError, offsetsAt, type RangesDeps, timeRange } from './replay-ranges.ts';

const HOUR_MS = 3_600_000;
/** More windows than anybody means. */
const MOST_WINDOWS = 10_000;

/**
 * The windows of all partitions, in the order that was asked for; those without records are left out.
 * @throws InvalidSelectionError, LogUnavailableError; the signal's reason
 */
export async function windows(
  deps: RangesDeps,
  selection: Extract<ReplaySelection, { by: 'windows' }>,
  { onProgress, signal }: PlanControl,
): Promise<FoundRange[][]> {
  const { topics, order, windowHours, from, to } = selection;
  const whole = (await timeRange(deps, { topics, from, to })).filter((range) => range.to > range.from);
  const spans: FoundRange[][] = [];
  let rest = whole;
  const begin = from === undefined ? await firstTime(deps, whole) : Date.parse(from);
  const end = to === undefined ? Date.now() : Date.parse(to);
  if ((end - begin) / (windowHours * HOUR_MS) > MOST_WINDOWS) {
    throw new InvalidSelectionError(`more than ${MOST_WINDOWS} windows: make them larger, or say from when on`);
  }
  for (let at = begin + windowHours * HOUR_MS; at < end; at += windowHours * HOUR_MS) {
    signal.throwIfAborted();
    onProgress(new Date(at).toISOString());
    const ends = await offsetsAt(deps, whole, at);
    const cuts = rest.map((range, index) => Math.min(Math.max(ends[index] ?? range.to, range.from), range.to));
    spans.push(rest.map((range, index) => ({ ...range, to: cuts[index] ?? range.to })));
    rest = rest.map((range, index) => ({ ...range, from: cuts[index] ?? range.to, lost: 0 }));
  }
  spans.push(rest);
  const filled = spans.map((window) => window.filter((range) => range.to > range.from));
  return order === 'oldest-first' ? filled : filled.toReversed();
}

/** When the oldest of the records that are there was written, roughly: the search is by hours, days and years. */
async function firstTime(deps: RangesDeps, whole: readonly FoundRange[]): Promise<number> {
  const now = Date.now();
  if (whole.length === 0) {
    return now;
  }
  const isBefore = async (time: number) => {
    const at = await offsetsAt(deps, whole, time);
    return at.every((offset, index) => offset !== null && offset <= (whole[index]?.from ?? 0));
  };
  let age = HOUR_MS;
  while (now - age > 0 && !(await isBefore(now - age))) {
    age *= 2;
  }
  return Math.max(0, now - age);
}
