import { describe, expect, it } from 'vitest';
import { renderCost } from '../../../bench/cost-report.ts';
import { callsBetween } from '../../../bench/redis-commands.ts';
import { measured } from './measured.ts';

const table = (name: string, rows: number, indexes: number) => ({
  name,
  partitions: 1,
  indexes: [],
  constraints: 0,
  rowSecurity: false,
  logged: true,
  writes: 500_000,
  bytes: { rows, indexes },
});

function rendered(busy: Record<string, number>, idle: Record<string, number>): string {
  const run = measured(1, { historyEvents: 24, peakRssBytes: 300 * 2 ** 20, cpuPerMillion: 9.04, walPerEvent: 1_500 });
  return renderCost({
    rounds: [{ measured: new Map([['path', run]]), others: 0 }],
    written: { tables: [table('small', 1_000_000, 500_000), table('large', 50_000_000, 0)], settings: [] },
    redis: { busy: new Map(Object.entries(busy)), idle: new Map(Object.entries(idle)) },
    events: 500_000,
  }).join('\n\n');
}

describe('renderCost', () => {
  it('gives each cost beside what is wanted, history by the million', () => {
    const text = rendered({}, {});
    expect(text).toMatch(/worker, CPU s per million +\| +9\.0 \|.*≤ 10 \|/);
    expect(text).toMatch(/workflow history events per million \| +48\.0 \|.*≤ 30 \|/);
    expect(text).toMatch(/worker, peak RSS in MiB +\| +300\.0 \|/);
    expect(text).toMatch(/postgres, CPU s per million +\| +– \|/);
  });

  it('gives disk by the event, the largest table first and their sum last', () => {
    const rows = [...rendered({}, {}).matchAll(/^\| (large|small|all) .*\| +([\d.]+) \|$/gm)];
    expect(rows.map(([, name, bytes]) => `${name} ${bytes}`)).toEqual(['large 100.0', 'small 3.0', 'all 103.0']);
  });

  it('counts as the events’ own only what Redis was sent beyond an idle worker', () => {
    expect(rendered({ bzpopmin: 10, evalsha: 5 }, { bzpopmin: 12, evalsha: 5 })).toContain(
      'Redis commands per event: **0.0000** (15 in the last round, 17 by a worker',
    );
    expect(rendered({ xadd: 500_000, ping: 3 }, { ping: 3 })).toContain('**1.0000**');
    expect(rendered({ xadd: 500_000 }, {})).toContain('beyond that xadd 500000');
  });
});

describe('callsBetween', () => {
  it('counts what came since, the most frequent first', () => {
    const before = new Map([['get', 5]]);
    const after = new Map([
      ['get', 6],
      ['set', 4],
    ]);
    expect([...callsBetween(before, after)]).toEqual([
      ['set', 4],
      ['get', 1],
    ]);
    expect(callsBetween(after, after).size).toBe(0);
  });
});
