#!/usr/bin/env node
// Seals everything that is kept of failed events with the current key: npm run keys:rotate (see --help).
import { Command, InvalidArgumentError } from 'commander';
import { createLocalKeys } from '../adapters/keys/local.ts';
import { createDataKeys } from '../adapters/postgres/data-keys.ts';
import { rotateKeys } from '../adapters/postgres/key-rotation.ts';
import { createDatabasePool } from '../adapters/postgres/pool.ts';
import { EVENT_TYPES } from '../domain/events.ts';
import { loadConfig } from '../platform/config.ts';
import { keyRingOf } from '../platform/key-ring.ts';
import { rotationReport } from './lib/rotation-report.ts';

const MOST_ROWS = 5_000;

const command = new Command('keys:rotate')
  .description('Brings what is sealed of failed events under the current key, the first one of DATA_KEYS.')
  .option('--batch <rows>', `rows in one statement, 1 to ${MOST_ROWS}`, rows, 200)
  .addHelpText(
    'after',
    `
Put the new key first into DATA_KEYS (or DATA_KEYS_FILE) of every process and leave the old ones after it, restart them,
then run this. It seals as well what was kept readable before there were keys. It can be ended at any time and run again:
what is done is done. Ingestion goes on meanwhile.

Exit code 0: all is under the current key, and it says which keys may go. Exit code 1: something is left, it says what.`,
  );
command.parse();

function rows(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > MOST_ROWS) throw new InvalidArgumentError(`1 to ${MOST_ROWS}`);
  return value;
}

try {
  const { postgres, personalData } = loadConfig(process.env, EVENT_TYPES);
  if (personalData.keys === null) throw new Error('DATA_KEYS is not set: there is no key to seal with');
  const ring = keyRingOf(personalData.keys);
  const stop = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const)
    process.once(name, () => stop.abort(new Error('ended, run it again')));
  const pool = await createDatabasePool({ ...postgres, poolSize: 1, applicationName: 'crm-keys-rotate' });
  try {
    const provider = createLocalKeys(ring);
    const deps = { provider, dataKeys: createDataKeys(provider), batch: command.opts<{ batch: number }>().batch };
    const result = await rotateKeys(pool, deps, {
      signal: stop.signal,
      report: ({ rewrapped, sealed, at, last }) =>
        console.log(`data keys wrapped: ${rewrapped}, sealed: ${sealed}, failed events up to ${at} of ${last}`),
    });
    const { lines, complete } = rotationReport(result, ring);
    for (const line of lines) console.log(line);
    process.exitCode = complete ? 0 : 1;
  } finally {
    await pool.end();
  }
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}
