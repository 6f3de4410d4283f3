import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { required } from './database.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));

/**
 * Builds the product for the processes that tests start: each would else bundle the workflows anew, which takes longer
 * than most tests. Runs side by side have a build each.
 * @returns its folder, which `built` then knows
 * @throws Error when it can't be built, which the compiler has explained
 */
export async function buildForTests(): Promise<string> {
  const folder = path.join(root, '.test-build', String(process.pid));
  const build = spawn(process.execPath, [path.join(root, 'scripts/build.ts'), folder], { stdio: 'inherit' });
  const [exitCode] = await once(build, 'exit');
  if (exitCode !== 0) throw new Error('the product could not be built: mend what the compiler says');
  process.env.CRM_TEST_BUILD = folder;
  return folder;
}

/** A file of the build, such as `workers/worker.js`. */
export const built = (file: string): string => path.join(required('CRM_TEST_BUILD'), file);
