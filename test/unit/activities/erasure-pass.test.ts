import { expect, it } from 'vitest';
import { passOver } from '../../../activities/erasure-pass.ts';
import type { ErasureTable } from '../../../activities/erasure-ports.ts';
import type { ErasureCheckpoint } from '../../../workflows/erasure-contracts.ts';

const tables: ErasureTable[] = [
  { oid: 7, schema: 'analytics', name: 'empty', holds: 'lead', blocks: 0 },
  { oid: 9, schema: 'analytics', name: 'large', holds: 'lead', blocks: 10_000 },
];

/** Goes over the tables until `most` windows were visited. */
async function pass(from: ErasureCheckpoint | undefined, most = Number.POSITIVE_INFINITY) {
  const visited: string[] = [];
  const abort = new AbortController();
  let latest: ErasureCheckpoint | undefined;
  const ended = await passOver(
    { tables: async (oid) => tables.filter((table) => table.oid >= oid) },
    {
      from,
      signal: abort.signal,
      report: (progress) => {
        latest = progress;
      },
    },
    async ({ name }, window) => {
      visited.push(`${name} ${window.from}-${window.to}`);
      if (visited.length === most) abort.abort();
    },
  ).then(
    () => 'done',
    () => 'aborted',
  );
  return { visited, ended, latest };
}

it('visits every block of every table once, and an empty table, too', async () => {
  const { visited, ended } = await pass(undefined);
  expect(visited).toEqual(['empty 0-4096', 'large 0-4096', 'large 4096-8192', 'large 8192-12288']);
  expect(ended).toBe('done');
});

it('goes on where it was interrupted, without a gap', async () => {
  const whole = (await pass(undefined)).visited;
  for (let most = 1; most < whole.length; most += 1) {
    const first = await pass(undefined, most);
    expect(first.ended).toBe('aborted');
    const second = await pass(first.latest);
    const all = [...first.visited, ...second.visited];
    expect([...new Set(all)]).toEqual(whole);
  }
});
