/** Which ranges of logs or files are to be read. */

/** A piece of a topic; what is left out has no limit. */
export interface OffsetRange {
  topic: string;
  /** All of them when left out. */
  partition?: number | undefined;
  from?: number | undefined;
  /** Exclusive. */
  to?: number | undefined;
}

/** Times are ISO 8601, and mean the timestamps of the records. */
export type ReplaySelection =
  | { by: 'offsets'; ranges: readonly OffsetRange[] }
  | { by: 'time'; topics: readonly string[]; from?: string | undefined; to?: string | undefined }
  /** Whatever an earlier run read. */
  | { by: 'run'; runId: string }
  /** Whole topics, window after window. */
  | {
      by: 'windows';
      topics: readonly string[];
      order: 'oldest-first' | 'newest-first';
      windowHours: number;
      from?: string | undefined;
      to?: string | undefined;
    }
  | { by: 'files'; location: { folder: string } | { bucket: string; prefix: string }; reading: unknown };

export interface Span {
  from: number;
  /** Exclusive. */
  to: number;
}

/** Joins spans that overlap or touch, so that nothing is read twice. */
export function mergeSpans(spans: readonly Span[]): Span[] {
  const merged: Span[] = [];
  for (const span of spans.toSorted((a, b) => a.from - b.from)) {
    const last = merged.at(-1);
    if (last !== undefined && span.from <= last.to) {
      last.to = Math.max(last.to, span.to);
    } else {
      merged.push({ ...span });
    }
  }
  return merged;
}

/** Divides a span into pieces of about the same length, none longer than `most`. */
export function divideSpan({ from, to }: Span, most: number): Span[] {
  const pieces = Math.max(1, Math.ceil((to - from) / most));
  return Array.from({ length: pieces }, (_, piece) => ({
    from: from + Math.floor(((to - from) * piece) / pieces),
    to: from + Math.floor(((to - from) * (piece + 1)) / pieces),
  }));
}
