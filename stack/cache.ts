// The cache folder: software installed once, whole or not at all, by one process at a time.
import { existsSync } from 'node:fs';
import { chmod, mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isAlive, ownIdentity, type ProcessIdentity } from './process.ts';

/**
 * Cache folder: CRM_CACHE_DIR, or the user's cache folder. For root it is below /var/cache, since PostgreSQL refuses
 * to run as root and the unprivileged user it runs as can't enter root's home.
 */
export function cacheDir(environment: Record<string, string | undefined> = process.env): string {
  if (environment.CRM_CACHE_DIR) return path.resolve(environment.CRM_CACHE_DIR);
  if (process.getuid?.() === 0) return '/var/cache/crm-ingestion';
  return path.join(environment.XDG_CACHE_HOME || path.join(os.homedir(), '.cache'), 'crm-ingestion');
}

/** Makes a folder that other users may enter, whatever the umask. */
export async function makeDir(dir: string): Promise<void> {
  const first = await mkdir(dir, { recursive: true });
  if (first === undefined) return;
  for (let made = dir; made.length >= first.length; made = path.dirname(made)) await chmod(made, 0o755);
}

/** Runs `work` while no other process holds the lock of this name; a lock whose process died is taken over. */
export async function withLock<T>(name: string, log: (line: string) => void, work: () => Promise<T>): Promise<T> {
  const file = path.join(cacheDir(), 'locks', `${name}.lock`);
  await makeDir(path.dirname(file));
  for (let waited = 0; !(await tryLock(file)); waited += 1) {
    if (waited === 10) log(`${name}: another process is at it, waiting`);
    await sleep(100);
  }
  try {
    return await work();
  } finally {
    await rm(file, { force: true });
  }
}

async function tryLock(file: string): Promise<boolean> {
  try {
    const handle = await open(file, 'wx');
    await handle.writeFile(JSON.stringify(ownIdentity()));
    await handle.close();
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  const text = await readFile(file, 'utf8').catch(() => '');
  if (text === '') return false; // just being made or just released
  if (!isAlive(JSON.parse(text) as ProcessIdentity)) {
    // Of two that see the dead owner one wins the rename; the other finds the file gone or new at its next try.
    const stale = `${file}.${process.pid}`;
    await rename(file, stale).catch(() => {});
    await rm(stale, { force: true });
  }
  return false;
}

/**
 * Folder of an installed package; `build` fills it when it isn't there yet. It builds into a temporary folder that is
 * renamed when complete, so an interrupted install is never taken for done. `id` holds the version.
 */
export async function installOnce(
  id: string,
  log: (line: string) => void,
  build: (dir: string) => Promise<void>,
): Promise<string> {
  const target = path.join(cacheDir(), 'packages', id);
  if (existsSync(target)) return target;
  return withLock(`install-${id}`, log, async () => {
    if (existsSync(target)) return target;
    const temporary = path.join(path.dirname(target), `.incomplete-${id}`);
    await rm(temporary, { recursive: true, force: true });
    await makeDir(temporary);
    await build(temporary);
    await rename(temporary, target);
    return target;
  });
}
