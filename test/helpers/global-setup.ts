import { up } from '../../stack/index.ts';
import { makeTemplateDatabase } from './database.ts';
import { makeLogins } from './logins.ts';

/** Real servers for the whole run, on ports of their own so that a stack in use is left alone. */
export default async function setup(): Promise<void> {
  const env = await up({ name: 'test', portOffset: 20_000, log: (line) => process.stdout.write(`${line}\n`) });
  Object.assign(process.env, env);
  await makeTemplateDatabase();
  await makeLogins();
}
