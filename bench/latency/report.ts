// What the latency suite found, for people.
import { table } from '../report.ts';
import { type Spread, spreadOf } from '../statistics.ts';
import type { Punctuality } from './generator-messages.ts';
import type { LatencySummary } from './latencies.ts';
import type { Steady } from './steady.ts';

export interface LatencyRun {
  reader: 'ours' | 'peer';
  /** Records per second. */
  rate: number;
  /** From when each record was due until it was seen. */
  latency: LatencySummary;
  punctuality: Punctuality;
  looks: Steady['looks'];
}

/** Handing records over later than this, at p99, is the generator's own delay and says little of the reader. */
const PUNCTUAL_MS = 10;

/** Paragraphs and tables, ratios first. @param runs of one round or more */
export function renderLatencies(runs: readonly LatencyRun[]): string[] {
  return [
    ...(runs.some(({ reader }) => reader === 'peer') ? [ratioTable(runs)] : []),
    'Milliseconds from when a record was due to be sent until other transactions saw it, medians over the rounds and the largest of all:',
    latencyTable(runs),
    describeLooks(runs),
    describeGenerator(runs),
  ];
}

const RATIOS = ['p50', 'p99', 'p999'] as const;

/** Ours divided by the rival's, round by round, the median over the rounds. */
function ratioTable(runs: readonly LatencyRun[]): string {
  const rows = ratesOf(runs).map((rate) => {
    const [ours, peer] = (['ours', 'peer'] as const).map((name) => runsOf(runs, name, rate));
    const cells = RATIOS.map((which) => {
      const ratios = (ours ?? []).flatMap(({ latency }, round) => {
        const other = peer?.[round];
        return other === undefined ? [] : [latency[which] / other.latency[which]];
      });
      return ratios.length === 0 ? '–' : spreadOf(ratios).median.toFixed(2);
    });
    return [`${whole(rate)} events/s`, ...cells];
  });
  return table(['ours / peer', 'p50', 'p99', 'p99.9'], rows);
}

function latencyTable(runs: readonly LatencyRun[]): string {
  const rows = ratesOf(runs).flatMap((rate) =>
    (['ours', 'peer'] as const).flatMap((name) => {
      const own = runsOf(runs, name, rate);
      if (own.length === 0) return [];
      const of = (which: keyof LatencySummary): Spread => spreadOf(own.map(({ latency }) => latency[which]));
      const cells = [of('p50').median, of('p99').median, of('p999').median, of('max').max].map(tenths);
      return [[`${whole(rate)} events/s, ${name}`, ...cells, whole(of('records').median)]];
    }),
  );
  return table(['rate, reader', 'p50', 'p99', 'p99.9', 'max', 'records a round'], rows);
}

function describeLooks(runs: readonly LatencyRun[]): string {
  const [median, p99] = [
    spreadOf(runs.map(({ looks }) => looks.median)).median,
    spreadOf(runs.map(({ looks }) => looks.p99)).max,
  ];
  return `Asked on a connection of its own every ${tenths(median)} ms (median; at most ${tenths(p99)} ms at p99): so much later than visible a record may have been seen.`;
}

function describeGenerator(runs: readonly LatencyRun[]): string {
  const late = Math.max(...runs.map(({ punctuality }) => punctuality.late.p99));
  const latest = Math.max(...runs.map(({ punctuality }) => punctuality.late.max));
  const acknowledged = Math.max(...runs.map(({ punctuality }) => punctuality.acknowledged.p99));
  const said = `The generator handed records over at most ${tenths(late)} ms late at p99 (${tenths(latest)} ms once), Kafka acknowledged them within ${tenths(acknowledged)} ms at p99; both count as latency`;
  return late <= PUNCTUAL_MS ? `${said}.` : `${said}: **the generator fell behind, measure again.**`;
}

const ratesOf = (runs: readonly LatencyRun[]) => [...new Set(runs.map(({ rate }) => rate))].sort((a, b) => a - b);

const runsOf = (runs: readonly LatencyRun[], name: LatencyRun['reader'], rate: number) =>
  runs.filter((run) => run.reader === name && run.rate === rate);

const whole = (value: number) => Math.round(value).toLocaleString('en-US');
const tenths = (value: number) => value.toFixed(1);
