/** What the scenarios of the fault suite found, for terminals and for bench/FAULTS.md. */

export interface FaultReport {
  fault: string;
  seed: string;
  /** Records that Kafka acknowledged. */
  produced: number;
  lost: number;
  doubled: number;
  /** The longest of all rounds; null where there was nothing to recover from. */
  recoverySeconds: number | null;
  /** How often the fault happened. */
  rounds: number;
}

export function faultLine({ fault, seed, produced, lost, doubled, recoverySeconds, rounds }: FaultReport): string {
  const times = rounds > 1 ? `, ${rounds} times` : '';
  const recovered = recoverySeconds === null ? '' : `, recovered in ${recoverySeconds.toFixed(1)} s`;
  return `fault: ${fault}${times} (seed ${seed}): produced ${produced}, lost ${lost}, doubled ${doubled}${recovered}`;
}

const HEADER = ['Fault', 'Rounds', 'Events', 'Lost', 'Doubled', 'Recovery'];

function cellsOf({ fault, rounds, produced, lost, doubled, recoverySeconds }: FaultReport): string[] {
  const recovery = recoverySeconds === null ? '–' : `${recoverySeconds.toFixed(1)} s`;
  return [fault, String(rounds), produced.toLocaleString('en-US'), String(lost), String(doubled), recovery];
}

/** A Markdown table, aligned for reading as it is. */
export function renderTable(reports: readonly FaultReport[]): string {
  const rows = [HEADER, ...reports.toSorted((a, b) => (a.fault < b.fault ? -1 : 1)).map(cellsOf)];
  const widths = HEADER.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const pad = (cell: string, column: number) =>
    column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0);
  const rule = widths.map((width, column) => (column === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`));
  const [header = [], ...body] = rows.map((row) => row.map(pad));
  return [header, rule, ...body].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

/** The contents of bench/FAULTS.md. */
export function renderRecord(
  reports: readonly FaultReport[],
  run: { command: string; date: Date; rate: number },
): string {
  const seeds = [...new Set(reports.map(({ seed }) => seed))].join(', ');
  return `# Faults

What the fault suite found. Each line is a product of its own under a steady load of ${run.rate.toLocaleString('en-US')} events/s, 1% of them duplicates and 0.5% invalid, while the fault happened again and again. Afterwards every event that Kafka acknowledged was looked for: in the staging tables, the events log, the ledger, among the failed events, and in the books.

- Command: \`${run.command}\`
- Date: ${run.date.toISOString().slice(0, 10)}
- Seed: ${seeds}

Lost and doubled are events. Recovery is the longest of all rounds, from the end of the fault until every partition goes on and the lag is what it was; it counts from the moment when restarted servers answer again. It is watched for half a second at least.

${renderTable(reports)}
`;
}
