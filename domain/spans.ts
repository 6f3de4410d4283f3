/** Offsets from `from` up to but without `to`. */
export interface Span {
  from: number;
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
