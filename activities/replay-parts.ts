/** From ranges to parts: what one lane of a replay reads at a time. */
import { divideSpan, mergeSpans } from '../domain/spans.ts';
import type { PlannedRange, TopicIds } from './replay-ports.ts';
import type { FoundRange } from './replay-ranges.ts';

export interface ReplayPlan {
  /** In the order in which they are begun: a range of each of some partitions. */
  parts: PlannedRange[][];
  topicIds: TopicIds;
}

/** Offsets of a part: to begin one must cost nothing beside reading it, and lanes shall end at about the same time. */
const PART = { least: 50_000, most: 1_000_000 };
const PARTS_PER_LANE = 2;
/**
 * Divides ranges into parts for so many lanes.
 * @param windows are begun one after the other, or are the only one
 */
export function inOrder(windows: ReadonlyArray<readonly FoundRange[]>, lanes: number): ReplayPlan {
  const found = windows.flat();
  const offsets = found.reduce((sum, { from, to }) => sum + to - from, 0);
  const size = Math.min(Math.max(Math.ceil(offsets / (lanes * PARTS_PER_LANE)), PART.least), PART.most);
  return {
    parts: windows.flatMap((window) => dealt(inTurn(window, size), size)),
    topicIds: new Map(found.map(({ topic, topicId }) => [topic, topicId])),
  };
}

/** Pieces of all partitions in turn, so that lanes seldom read the same partition at once. */
function inTurn(found: readonly FoundRange[], size: number): PlannedRange[] {
  const pieces = [...Map.groupBy(found, ({ topic, partition }) => `${topic}/${partition}`).values()].flatMap((same) => {
    const [{ topic, partition, from }] = same as [FoundRange];
    const lost = same.reduce((sum, span) => sum + span.lost, 0);
    const spans = mergeSpans(same.filter((span) => span.to > span.from)).flatMap((span) => divideSpan(span, size));
    // What is lost is told with the first piece, also of a range that is deleted as a whole.
    const told = spans.length === 0 && lost > 0 ? [{ from, to: from }] : spans;
    return told.map((span, turn) => ({
      turn,
      range: { topic, partition, ...span, lost: turn === 0 ? lost : 0, file: null },
    }));
  });
  return pieces.toSorted((a, b) => a.turn - b.turn).map(({ range }) => range);
}

/** Puts pieces together to parts of about a size, each with one range of a partition at most. */
function dealt(pieces: readonly PlannedRange[], size: number): PlannedRange[][] {
  const parts: PlannedRange[][] = [];
  let taken = new Set<string>();
  let offsets = 0;
  for (const piece of pieces) {
    const key = `${piece.topic}/${piece.partition}`;
    const length = piece.to - piece.from;
    if (parts.length === 0 || taken.has(key) || offsets + length > size) {
      parts.push([]);
      taken = new Set();
      offsets = 0;
    }
    parts.at(-1)?.push(piece);
    taken.add(key);
    offsets += length;
  }
  return parts;
}
