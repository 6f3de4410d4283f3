// The table at the end of the demo: what went in against what came out.

export interface Row {
  what: string;
  expected: number | null;
  found: number | string;
}

/** Whether everything that has an expectation meets it. */
export function isRight(rows: readonly Row[]): boolean {
  return rows.every(({ expected, found }) => expected === null || expected === found);
}

export function renderTable(rows: readonly Row[]): string {
  const cells = rows.map(({ what, expected, found }) => [
    what,
    typeof found === 'number' ? found.toLocaleString('en-US') : found,
    expected === null ? '' : expected === found ? 'as expected' : `expected ${expected.toLocaleString('en-US')}`,
  ]);
  const widths = [0, 1].map((column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)));
  return cells
    .map(([what = '', found = '', verdict = '']) =>
      `  ${what.padEnd(widths[0] ?? 0)}  ${found.padStart(widths[1] ?? 0)}  ${verdict}`.trimEnd(),
    )
    .join('\n');
}
