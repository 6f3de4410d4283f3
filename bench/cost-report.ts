// The costs of an event as tables.
import { SERVERS } from '../stack/index.ts';
import { table } from './report.ts';
import type { Measured, Round } from './rounds.ts';
import { spreadOfKnown } from './statistics.ts';
import type { Written } from './tables.ts';

export interface CostFacts {
  rounds: readonly Round[];
  written: Written;
  /** Redis calls by command: of the last round, and of a worker without events in the same time. */
  redis: { busy: ReadonlyMap<string, number>; idle: ReadonlyMap<string, number> };
  /** Of each round. */
  events: number;
}

const MEBIBYTE = 2 ** 20;

/** What is measured of each round, with the most that it should be. */
function costsOf(events: number): Array<[name: string, cost: (measured: Measured) => number | null, wanted?: number]> {
  const perMillion = (value: number | null) => (value === null ? null : (value / events) * 1_000_000);
  return [
    ['worker, CPU s per million', ({ cpuPerMillion }) => cpuPerMillion, 10],
    ...SERVERS.map((name): [string, (measured: Measured) => number | null] => [
      `${name}, CPU s per million`,
      ({ serverCpuPerMillion }) => serverCpuPerMillion[name],
    ]),
    ['worker, peak RSS in MiB', ({ peakRssBytes }) => (peakRssBytes === null ? null : peakRssBytes / MEBIBYTE), 512],
    ['workflow history events per million', ({ historyEvents }) => perMillion(historyEvents), 30],
    ['WAL bytes per event', ({ walPerEvent }) => walPerEvent],
  ];
}

/** What an event costs, in Markdown. */
export function renderCost({ rounds, written, redis, events }: CostFacts): string[] {
  const runs = rounds.flatMap(({ measured }) => [...measured.values()]);
  const rows = costsOf(events).map(([name, cost, wanted]) => {
    const spread = spreadOfKnown(runs.map(cost));
    const figures = spread === null ? ['–', '–', '–'] : [spread.min, spread.median, spread.max].map(tenths);
    return [name, ...figures, wanted === undefined ? '–' : `≤ ${wanted}`];
  });
  return [
    table(['cost', 'min', 'median', 'max', 'wanted'], rows),
    'Disk, right after the last round:',
    diskTable(written, events),
    redisLine(redis, events),
  ];
}

function diskTable({ tables }: Written, events: number): string {
  const sizes = tables
    .map(({ name, bytes, writes }) => ({ name, writes, rows: bytes.rows, indexes: bytes.indexes }))
    .toSorted((a, b) => b.rows + b.indexes - (a.rows + a.indexes));
  const sum = (pick: (size: (typeof sizes)[number]) => number) => sizes.reduce((total, size) => total + pick(size), 0);
  const all = {
    name: 'all',
    writes: sum(({ writes }) => writes),
    rows: sum(({ rows }) => rows),
    indexes: sum(({ indexes }) => indexes),
  };
  return table(
    ['table', 'rows per event', 'bytes of rows per event', 'bytes of indexes per event', 'bytes per event'],
    [...sizes, all].map(({ name, writes, rows, indexes }) => [
      name,
      (writes / events).toFixed(3),
      ...[rows, indexes, rows + indexes].map((bytes) => tenths(bytes / events)),
    ]),
  );
}

/** Looking for work costs commands whether there are events or not; what is beyond that is the events'. */
function redisLine({ busy, idle }: CostFacts['redis'], events: number): string {
  const beyond = [...busy].flatMap(([command, calls]) => {
    const more = calls - (idle.get(command) ?? 0);
    return more > 0 ? [[command, more] as const] : [];
  });
  const more = beyond.reduce((total, [, calls]) => total + calls, 0);
  const of = (calls: ReadonlyMap<string, number>) => [...calls.values()].reduce((total, count) => total + count, 0);
  const named = beyond.map(([command, calls]) => `${command} ${calls}`).join(', ');
  return `Redis commands per event: **${(more / events).toFixed(4)}** (${of(busy)} in the last round, ${of(idle)} by a worker without events in the same time${named === '' ? '' : `; beyond that ${named}`}).`;
}

const tenths = (value: number) => value.toFixed(1);
