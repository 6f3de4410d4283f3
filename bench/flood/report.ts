// What the flood suite found, for people.
import type { LatencySummary } from '../latency/latencies.ts';
import { table } from '../report.ts';
import { spreadOf } from '../statistics.ts';
import type { Asked } from './callers.ts';
import type { FloodCount } from './flooder.ts';

export const WAYS = ['calm', 'flooded'] as const;
export type Way = (typeof WAYS)[number];

/** One measurement. */
export interface FloodRun {
  way: Way;
  /** From when each event was due until its row was seen. */
  latency: LatencySummary;
  asked: Asked[];
  /** null when calm. */
  flood: FloodCount | null;
  /** CPU of the API, in seconds per second; null where unknown. */
  apiCpu: number | null;
}

/** The longest part of the time that a flood may have been asleep. */
const MOST_ASLEEP = 0.1;

/** By how much a flood may move the p99 of ingestion. */
export const MOST_RATIO = 1.2;

export interface FloodVerdict {
  /** p99 flooded divided by p99 calm, of each round. */
  ratios: number[];
  /** Good tokens that were refused. */
  lockedOut: number;
  /** Whether the flood was at work all along. */
  floodedEnough: boolean;
  passed: boolean;
}

/** @param rounds each with one run of each way */
export function judge(rounds: ReadonlyArray<readonly FloodRun[]>): FloodVerdict {
  const ratios = rounds.map((runs) => p99Of(runs, 'flooded') / p99Of(runs, 'calm'));
  const lockedOut = rounds
    .flat()
    .reduce((sum, { asked }) => sum + asked.reduce((all, { refused }) => all + refused, 0), 0);
  const floodedEnough = rounds.flat().every(({ flood }) => flood === null || flood.asleep <= MOST_ASLEEP);
  const passed = spreadOf(ratios).median <= MOST_RATIO && lockedOut === 0 && floodedEnough;
  return { ratios, lockedOut, floodedEnough, passed };
}

function p99Of(runs: readonly FloodRun[], way: Way): number {
  return runs.find((run) => run.way === way)?.latency.p99 ?? Number.NaN;
}

/** Paragraphs and tables, ratios first. */
export function renderFlood(
  rounds: ReadonlyArray<readonly FloodRun[]>,
  { ratios, lockedOut, floodedEnough, passed }: FloodVerdict,
  order: { rate: number; connections: number },
): string[] {
  const { median, min, max } = spreadOf(ratios);
  return [
    `p99 from produce to row visible, flooded / calm: **${median.toFixed(2)}** (median; ${min.toFixed(2)} to ${max.toFixed(2)}); good tokens refused: **${lockedOut}**. ${passed ? 'Passed' : `**Failed**: at most ${MOST_RATIO} and none`}.`,
    latencyTable(rounds.flat()),
    callerTable(rounds.flat()),
    describeFlood(rounds.flat(), order) +
      (floodedEnough ? '' : ' **It was asleep for too much of the time: measure again.**'),
  ];
}

function latencyTable(runs: readonly FloodRun[]): string {
  const rows = WAYS.map((way) => {
    const own = runs.filter((run) => run.way === way);
    const of = (which: keyof LatencySummary) => spreadOf(own.map(({ latency }) => latency[which]));
    return [way, of('p50').median, of('p99').median, of('p999').median, of('max').max].map(cell);
  });
  return table(['ingestion, ms', 'p50', 'p99', 'p99.9', 'max'], rows);
}

function callerTable(runs: readonly FloodRun[]): string {
  const names = [...new Set(runs.flatMap(({ asked }) => asked.map(({ name }) => name)))];
  const rows = WAYS.flatMap((way) =>
    names.map((name) => {
      const own = runs
        .filter((run) => run.way === way)
        .flatMap(({ asked }) => asked.filter((one) => one.name === name));
      const sum = (which: 'asked' | 'refused') => own.reduce((all, one) => all + one[which], 0);
      const median = (which: 'p50' | 'p99') => spreadOf(own.map((one) => one[which])).median.toFixed(1);
      return [`${way}, ${name}`, String(sum('asked')), String(sum('refused')), median('p50'), median('p99')];
    }),
  );
  return table(['good tokens', 'asked', 'refused', 'p50 ms', 'p99 ms'], rows);
}

function describeFlood(
  runs: readonly FloodRun[],
  { rate, connections }: { rate: number; connections: number },
): string {
  const floods = runs.flatMap(({ flood }) => flood ?? []);
  const perSecond = (which: 'sent' | 'answered') =>
    whole(spreadOf(floods.map((flood) => flood[which] / flood.seconds)).median);
  const total = (status: string) => whole(floods.reduce((sum, { byStatus }) => sum + (byStatus[status] ?? 0), 0));
  const answered = whole(floods.reduce((sum, flood) => sum + flood.answered, 0));
  const cpu = WAYS.map((way) => {
    const known = runs.filter((run) => run.way === way).flatMap(({ apiCpu }) => apiCpu ?? []);
    return known.length === 0 ? 'unknown' : `${Math.round(spreadOf(known).median * 100)} %`;
  });
  return [
    `The flood: ${whole(rate)} requests due a second over ${whole(connections)} connections, each as soon as one of them had its answer: ${perSecond('sent')} sent and ${perSecond('answered')} answered a second (medians).`,
    `Of ${answered} answers in all ${total('429')} were 429 and ${total('401')} were 401.`,
    `The API used ${cpu[0]} of a core when calm and ${cpu[1]} when flooded. What floods runs on the same machine, at a low priority.`,
  ].join(' ');
}

const whole = (value: number) => Math.round(value).toLocaleString('en-US');
const cell = (value: string | number) => (typeof value === 'string' ? value : value.toFixed(1));
