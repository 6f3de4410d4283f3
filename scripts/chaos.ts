// npm run chaos: kills workers of the user's own set-up under a load, and shows the books. See --help.
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { EVENT_TYPES } from '../domain/events.ts';
import { ConfigError, loadConfig } from '../platform/config.ts';
import { readOptions } from './chaos/options.ts';
import { runChaos } from './chaos/run.ts';
import { NotReadyError, openSetup } from './chaos/setup.ts';
import { serverTrouble } from './lib/reachability.ts';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..');

const options = readOptions();
const interrupted = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    if (interrupted.signal.aborted) process.exit(130);
    console.log('\nending in order; once more to end at once …');
    interrupted.abort();
  });
}

try {
  const config = loadConfig(process.env, EVENT_TYPES);
  const setup = await openSetup(config, options);
  try {
    const right = await runChaos({ root: ROOT, config, options, setup, signal: interrupted.signal });
    process.exitCode = right ? 0 : 1;
  } finally {
    await setup.close();
  }
} catch (error) {
  const known = error instanceof ConfigError || error instanceof NotReadyError ? error.message : serverTrouble(error);
  console.error(known ?? (error instanceof Error ? error.message : String(error)));
  process.exitCode = 1;
}
