import { describe, expect, it } from 'vitest';
import { bestConnections, dealOut, describeChoice } from '../../../bench/contestants/connections.ts';

const { signal } = new AbortController();

describe('bestConnections', () => {
  it('takes the number with the best single run, each in a database of its own', async () => {
    const rates = new Map([
      [1, [10, 20]],
      [2, [50, 15]],
      [4, [30, 40]],
    ]);
    const databases: string[] = [];
    const fresh = async () => `database ${databases.length}`;
    const write = async (database: string, connections: number) => {
      databases.push(database);
      const seconds = 1 / (rates.get(connections)?.shift() ?? 0);
      return { events: 1, seconds, cpuPerMillion: null, peakRssBytes: null, historyEvents: null };
    };
    expect(await bestConnections([1, 2, 4], fresh, write, signal)).toBe(2);
    expect(new Set(databases).size).toBe(6);
  });

  it('ends when it is interrupted', async () => {
    const interrupted = AbortSignal.abort(new Error('interrupted'));
    const write = () => Promise.reject(new Error('it went on'));
    await expect(bestConnections([1], async () => '', write, interrupted)).rejects.toThrow('interrupted');
  });
});

describe('describeChoice', () => {
  it('names what was tried where there was a choice', () => {
    expect(describeChoice(1, [1, 2, 4])).toBe('on 1 connection (tried: 1, 2, 4)');
    expect(describeChoice(2, [2])).toBe('on 2 connections');
  });
});

describe('dealOut', () => {
  it('gives everything away, to each in turn', () => {
    expect(dealOut([1, 2, 3, 4, 5], 2)).toEqual([
      [1, 3, 5],
      [2, 4],
    ]);
    expect(dealOut([1], 2)).toEqual([[1], []]);
  });
});
