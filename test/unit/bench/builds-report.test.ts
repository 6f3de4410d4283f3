import { expect, it } from 'vitest';
import { renderBuilds } from '../../../bench/builds-report.ts';
import { measured } from './measured.ts';

const round = (mine: number, theirs: number, cpu: number | null) => ({
  measured: new Map([
    ['this', measured(mine, { cpuPerMillion: cpu, walPerEvent: 1_500 })],
    ['other', measured(theirs, { cpuPerMillion: 10, walPerEvent: 1_000 })],
  ]),
  others: 0,
});

it('two builds are compared within each round, by what is known of both', () => {
  const rounds = [round(200, 100, 5), round(90, 100, null), round(10, 10, 20)];
  const [ratios, , runs] = renderBuilds(rounds, 'this', 'other');
  const told = ratios?.split('\n').map((line) => line.split('|').map((cell) => cell.trim()));
  expect(told?.filter(([, name]) => name !== '' && !name?.startsWith('-'))).toEqual([
    ['', 'this / other', 'min', 'median', 'max', ''],
    ['', 'events/s', '0.90', '1.00', '2.00', ''],
    ['', 'CPU of the worker', '0.50', '1.25', '2.00', ''],
    ['', 'WAL', '1.50', '1.50', '1.50', ''],
  ]);
  expect(runs).toMatch(/^\| this +\| +10 \| +90 \| +200 \|/mu);
});
