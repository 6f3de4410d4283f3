import { it } from 'vitest';
import type { ServerName } from '../../stack/index.ts';
import { restartOwn, useOwnServers } from '../helpers/faults/own-servers.ts';
import { beyondNpmTest, inForm } from '../helpers/faults/parameters.ts';
import { underLoad } from '../helpers/faults/scenario.ts';

const ALL: readonly ServerName[] = ['postgres', 'kafka', 'temporal', 'registry', 'redis'];
const ROUNDS = inForm({ test: 1, short: 1, long: 3 });

useOwnServers(inForm({ test: ['postgres'], short: ALL, long: ALL }));

function fault(names: readonly ServerName[], signal: 'SIGTERM' | 'SIGKILL', run = true): void {
  const what = `${signal === 'SIGKILL' ? 'kill -9' : 'restart'} of ${names.join(' and ')}`;
  it.runIf(run)(what, { timeout: 120_000 + 60_000 * ROUNDS }, async () => {
    await underLoad({ fault: what }, async ({ inflict }) => {
      for (let round = 0; round < ROUNDS; round += 1) {
        await inflict(() => restartOwn(names, signal));
      }
    });
  });
}

const long = inForm({ test: false, short: false, long: true });

fault(['postgres'], 'SIGKILL');
fault(['kafka'], 'SIGKILL', beyondNpmTest);
fault(['temporal'], 'SIGKILL', beyondNpmTest);
fault(['registry'], 'SIGKILL', beyondNpmTest);
fault(['redis'], 'SIGKILL', beyondNpmTest);
fault(['postgres', 'kafka'], 'SIGKILL', beyondNpmTest);
fault(['postgres', 'temporal'], 'SIGKILL', long);
fault(['kafka', 'temporal'], 'SIGKILL', long);
fault(['registry', 'redis'], 'SIGKILL', long);
for (const name of ALL) fault([name], 'SIGTERM', long);
