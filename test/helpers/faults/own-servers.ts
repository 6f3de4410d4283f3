import { rm } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import { withLock } from '../../../stack/cache.ts';
import { down, type ServerName, up } from '../../../stack/index.ts';
import { CONNECTION_VARIABLES, resolveInstance, type StackOptions } from '../../../stack/instance.ts';
import { stopNative } from '../../../stack/native.ts';
import { NATIVE_SERVERS } from '../../../stack/servers/index.ts';
import { makeTemplateDatabase } from '../database.ts';
import { makeLogins } from '../logins.ts';

const OPTIONS: StackOptions = { name: 'faults', portOffset: 23_000, log: () => {} };

/** Waiting for another run's servers, and for our own to start. */
const HOOK_TIMEOUT_MS = 900_000;

/**
 * For the tests of one file: servers that may be killed, in place of those that all tests share. Runs side by side wait
 * for each other.
 */
export function useOwnServers(names: readonly ServerName[]): void {
  const used = Promise.withResolvers<void>();
  let lock: Promise<void> = Promise.resolve();

  beforeAll(async () => {
    process.env.CRM_STACK = 'native'; // they are killed as processes
    await new Promise<void>((resolve) => {
      lock = withLock(
        'fault-suite',
        () => {},
        () => {
          resolve();
          return used.promise;
        },
      );
    });
    const env = await up(OPTIONS, names);
    for (const name of names) {
      process.env[CONNECTION_VARIABLES[name]] = env[CONNECTION_VARIABLES[name]];
    }
    if (names.includes('postgres')) {
      process.env.CRM_TEST_TEMPLATE = await makeTemplateDatabase();
      await makeLogins();
    }
  }, HOOK_TIMEOUT_MS);

  afterAll(async () => {
    await down(OPTIONS, { wipe: true });
    used.resolve();
    await lock;
  }, HOOK_TIMEOUT_MS);
}

/**
 * Stops servers of our own, all of them before any starts again, and waits until they answer.
 * @param signal SIGKILL is a crash; SIGTERM lets them stop in good order
 */
export async function restartOwn(names: readonly ServerName[], signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
  const instance = resolveInstance(OPTIONS);
  await Promise.all(names.map((name) => stopNative(NATIVE_SERVERS[name], instance, signal)));
  // Redis keeps nothing that matters: it loses all of it each time.
  if (names.includes('redis')) await rm(path.join(instance.dir, 'redis', 'data'), { recursive: true, force: true });
  await up(OPTIONS, names);
}
