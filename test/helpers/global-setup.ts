import { rm } from 'node:fs/promises';
import { up } from '../../stack/index.ts';
import { buildForTests } from './build.ts';
import { makeTemplateDatabase } from './database.ts';
import { makeLogins } from './logins.ts';

/**
 * Real servers for the whole run, on ports of their own so that a stack in use is left alone, and the product as it is
 * built now.
 * @returns what tidies up after the run
 */
export default async function setup(): Promise<() => Promise<void>> {
  const build = buildForTests();
  const env = await up({ name: 'test', portOffset: 20_000, log: (line) => process.stdout.write(`${line}\n`) });
  Object.assign(process.env, env);
  process.env.CRM_TEST_TEMPLATE = await makeTemplateDatabase();
  await makeLogins();
  const folder = await build;
  return () => rm(folder, { recursive: true, force: true });
}
