// Command line of the stack: the servers that the product needs, on this machine.
import { spawn } from 'node:child_process';
import { Argument, Command, Option } from 'commander';
import { dockerLogs } from '../stack/docker.ts';
import * as stack from '../stack/index.ts';
import { resolveInstance } from '../stack/instance.ts';
import { logFileOf } from '../stack/native.ts';

const program = new Command('stack')
  .description('Kafka, schema registry, Temporal, PostgreSQL and Redis for a laptop or CI')
  .addOption(new Option('--name <instance>', 'instance; each has its own data and ports').default('default'))
  .option('--port-offset <n>', 'added to every base port (default: 20000 for the instance "test", else 0)', Number)
  .addHelpText(
    'after',
    `
Environment:
  CRM_STACK          native | docker | external | auto (default: a server that its variable points at and that answers
                     is used as it is; else Docker when a daemon answers; else processes of this machine)
  CRM_CACHE_DIR      where software, data and logs are kept
  POSTGRES_VERSION   12 | 15 | 18 (default)
  KAFKA_PORT 9092, REGISTRY_PORT 8081, TEMPORAL_PORT 7233, TEMPORAL_UI_PORT 8233, POSTGRES_PORT 5432, REDIS_PORT 6379,
  KAFKA_CONTROLLER_PORT 9193, REGISTRY_MANAGEMENT_PORT 8181

With npm, options go behind "--":  npm run stack -- down --wipe`,
  );

const options = (): stack.StackOptions => ({
  ...program.opts<{ name: string; portOffset?: number }>(),
  log: console.log,
});
const quiet = (): stack.StackOptions => program.opts();
const servers = new Argument('[servers...]', 'default: all').choices([...stack.SERVERS]);

program
  .command('up')
  .description('start what does not run yet, installing it first where needed')
  .addArgument(servers)
  .action(async (names: stack.ServerName[]) => {
    const env = await stack.up(options(), names.length > 0 ? names : stack.SERVERS);
    if (names.length === 0) console.log(`Temporal UI: ${env.TEMPORAL_UI_URL}`);
  });

program
  .command('down')
  .description('stop what was started')
  .option('--wipe', 'delete data and logs too')
  .action((flags: { wipe?: boolean }) => stack.down(options(), flags));

program
  .command('restart')
  .description('stop a server and start it again on the same data')
  .addArgument(new Argument('<server>').choices([...stack.SERVERS]))
  .option('--kill', 'stop it by SIGKILL, as a crash would')
  .action((name: stack.ServerName, { kill }: { kill?: boolean }) =>
    stack.restart(name, options(), { signal: kill ? 'SIGKILL' : 'SIGTERM' }),
  );

program
  .command('status')
  .description('what runs; exit code 1 unless everything answers')
  .option('--json', 'for programs')
  .action(async ({ json }: { json?: boolean }) => {
    const all = await stack.status(quiet());
    if (json) console.log(JSON.stringify(all, null, 2));
    else for (const line of all.map(statusLine)) console.log(line);
    if (all.some(({ up }) => !up)) process.exitCode = 1;
  });

const statusLine = ({ name, up, mode, title, address, pid }: stack.ServerStatus) =>
  [name.padEnd(9), (up ? 'up' : 'down').padEnd(5), mode.padEnd(9), title.padEnd(26), address, pid ? `pid ${pid}` : '']
    .join(' ')
    .trimEnd();

program
  .command('logs')
  .description("show the end of the servers' logs")
  .addArgument(servers)
  .option('-n, --lines <n>', 'lines of each', '50')
  .option('-f, --follow', 'go on as they grow (native servers)')
  .action(async (names: stack.ServerName[], { lines, follow }: { lines: string; follow?: boolean }) => {
    const wanted = names.length > 0 ? names : stack.SERVERS;
    const instance = resolveInstance(quiet());
    const modes = new Map((await stack.status(quiet())).map(({ name, mode }) => [name, mode]));
    for (const name of wanted.filter((server) => modes.get(server) === 'docker')) {
      process.stdout.write(await dockerLogs(instance, name, Number(lines)));
    }
    const files = wanted.filter((name) => modes.get(name) === 'native').map((name) => logFileOf(instance, name));
    if (files.length > 0) spawn('tail', ['-n', lines, ...(follow ? ['-F'] : []), ...files], { stdio: 'inherit' });
  });

program
  .command('env')
  .description('print the connection variables as KEY=value lines')
  .action(async () => {
    for (const [key, value] of Object.entries(await stack.environment(quiet()))) console.log(`${key}=${value}`);
  });

try {
  await program.parseAsync();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
