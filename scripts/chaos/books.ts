// What a chaos run shows at its end.
import type { Books, PartitionBooks } from '../../activities/books-ports.ts';
import type { Verdict } from '../lib/compare-truth.ts';

const COLUMNS = [
  'topic',
  'partition',
  'from',
  'next',
  'stored',
  'skipped',
  'failed',
  'dead',
  'parked',
  'gaps',
] as const;

/** The books of a consumer group as a table: one line for each partition. */
export function renderBooks({ partitions }: Pick<Books, 'partitions'>): string {
  const rows = [[...COLUMNS], ...partitions.map(cellsOf)];
  const widths = COLUMNS.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows
    .map((row) =>
      row.map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0))),
    )
    .map((cells) => `  ${cells.join('  ')}`)
    .join('\n');
}

function cellsOf({ topic, incarnation, partition, from, next, sums, breaks }: PartitionBooks): string[] {
  const name = incarnation === 1 ? topic : `${topic} (made again, ${incarnation})`;
  const counts = [sums.stored, sums.skipped, sums.failed, sums.dead, sums.parked, breaks];
  return [name, String(partition), from === null ? '–' : String(from), String(next), ...counts.map(String)];
}

const MOST_SHOWN = 20;

/** The findings in words, the first of each kind; empty when there are none. */
export function renderFindings(verdict: Verdict): string[] {
  return (['lost', 'doubled', 'wrong'] as const).flatMap((kind) => {
    const found = verdict[kind];
    const lines = found.slice(0, MOST_SHOWN).map((finding) => `  ${kind}: ${finding}`);
    return found.length > MOST_SHOWN ? [...lines, `  ${kind}: and ${found.length - MOST_SHOWN} more`] : lines;
  });
}
