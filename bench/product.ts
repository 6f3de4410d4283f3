// The product as users run it: built.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const BUILD = fileURLToPath(new URL('../scripts/build.ts', import.meta.url));

/** What `npm run worker` starts, once it is built. */
export const WORKER = fileURLToPath(new URL('../dist/workers/worker.js', import.meta.url));

/** What `npm run api` starts, likewise. */
export const API = fileURLToPath(new URL('../dist/api/server.js', import.meta.url));

/** @throws Error when it can't be built, which the compiler has explained */
export async function buildProduct(): Promise<void> {
  const build = spawn(process.execPath, [BUILD], { stdio: 'inherit' });
  const [exitCode] = await once(build, 'exit');
  if (exitCode !== 0)
    throw new Error('the product could not be built: mend what the compiler says, then measure again');
}
