// Real servers for a laptop or CI: native processes, Docker containers, or whatever the environment points at.
import { rm } from 'node:fs/promises';
import { withLock } from './cache.ts';
import { dockerAvailable, isDockerInstance, restartDocker, startDocker, stopDocker } from './docker.ts';
import {
  CONNECTION_VARIABLES,
  endpointsOf,
  type Instance,
  ownEnv,
  resolveInstance,
  SERVERS,
  type ServerName,
  type StackEnv,
  type StackOptions,
  withoutPassword,
} from './instance.ts';
import { logFileOf, runningProcess, startNative, stopNative } from './native.ts';
import { probeTcp } from './probes.ts';
import { NATIVE_SERVERS } from './servers/index.ts';

export { SERVERS, type ServerName, type StackEnv, type StackOptions } from './instance.ts';
export { kafkaTool } from './servers/kafka.ts';
export { SEARCH_ATTRIBUTES, temporalCli } from './servers/temporal.ts';
export { temporalTestServer } from './temporal-test-server.ts';

export type Mode = 'native' | 'docker' | 'external';

export type ServerStatus = {
  name: ServerName;
  title: string;
  mode: Mode;
  /** Whether it answers in its own protocol. */
  up: boolean;
  /** Where it is, without a password. */
  address: string;
  pid?: number;
  logFile?: string;
};

const MODES = ['auto', 'native', 'docker', 'external'];

/**
 * Decides how a server is run. CRM_STACK forces one way. Else a server that the environment points at and that answers
 * is used as it is (the default instance alone: tests must never touch a database that happens to be configured);
 * else Docker when its daemon answers; else native. What runs already stays as it is.
 */
async function modeOf(instance: Instance, name: ServerName): Promise<Mode> {
  const forced = process.env.CRM_STACK || 'auto';
  if (!MODES.includes(forced)) throw new Error(`CRM_STACK=${forced}: allowed are ${MODES.join(', ')}`);
  if (forced !== 'auto') return forced as Mode;
  const running = (await runningProcess(instance, name)) !== undefined;
  const isOwn = running && pointsAtPort(name, instance.ports[name]);
  if (instance.name === 'default' && !isOwn && (await answersExternally(name))) return 'external';
  if (running) return 'native';
  if (isDockerInstance(instance)) return 'docker';
  return (await anyNative(instance)) || !(await dockerAvailable()) ? 'native' : 'docker';
}

/** Whether the environment names this very port of this machine. */
function pointsAtPort(name: ServerName, port: number): boolean {
  const value = process.env[CONNECTION_VARIABLES[name]];
  if (!value) return false;
  const loopback = ['localhost', '127.0.0.1', '::1'];
  return endpointsOf(name, value).every((endpoint) => loopback.includes(endpoint.host) && endpoint.port === port);
}

async function answersExternally(name: ServerName): Promise<boolean> {
  const value = process.env[CONNECTION_VARIABLES[name]];
  if (!value) return false;
  const attempts = endpointsOf(name, value).map(({ host, port }) => probeTcp(host, port));
  return Promise.any(attempts).then(
    () => true,
    () => false,
  );
}

async function anyNative(instance: Instance): Promise<boolean> {
  const running = await Promise.all(SERVERS.map((name) => runningProcess(instance, name)));
  return running.some((process) => process !== undefined);
}

type Modes = Record<ServerName, Mode>;

async function modesOf(instance: Instance): Promise<Modes> {
  const modes = await Promise.all(SERVERS.map(async (name) => [name, await modeOf(instance, name)]));
  return Object.fromEntries(modes) as Modes;
}

function envOf(instance: Instance, modes: Modes): StackEnv {
  const own = { native: ownEnv(instance.ports, 'native'), docker: ownEnv(instance.ports, 'docker') };
  const addressOf = (name: ServerName, variable: keyof StackEnv) => {
    const mode = modes[name];
    return mode === 'external' ? (process.env[variable] ?? '') : own[mode][variable];
  };
  return {
    KAFKA_BROKERS: addressOf('kafka', 'KAFKA_BROKERS'),
    SCHEMA_REGISTRY_URL: addressOf('registry', 'SCHEMA_REGISTRY_URL'),
    TEMPORAL_ADDRESS: addressOf('temporal', 'TEMPORAL_ADDRESS'),
    TEMPORAL_UI_URL: addressOf('temporal', 'TEMPORAL_UI_URL'),
    DATABASE_URL: addressOf('postgres', 'DATABASE_URL'),
    REDIS_URL: addressOf('redis', 'REDIS_URL'),
  };
}

/** The connection variables of an instance, whether its servers run or not. */
export async function environment(options: StackOptions = {}): Promise<StackEnv> {
  const instance = resolveInstance(options);
  return envOf(instance, await modesOf(instance));
}

const withInstance = <T>(instance: Instance, work: () => Promise<T>) =>
  withLock(`instance-${instance.name}`, instance.log, work);

/**
 * Brings servers up and waits until each answers; what runs already is left alone. Installs what is missing first.
 * @param names the servers to start, default all
 * @returns the connection variables of all five
 * @throws AggregateError with one error for each server that could not be started
 */
export async function up(options: StackOptions = {}, names: readonly ServerName[] = SERVERS): Promise<StackEnv> {
  const instance = resolveInstance(options);
  return withInstance(instance, async () => {
    const modes = await modesOf(instance);
    const env = envOf(instance, modes);
    const inDocker = names.filter((name) => modes[name] === 'docker');
    const docker = inDocker.length > 0 ? startDocker(instance, inDocker) : undefined;
    const starts = names.map(async (name) => {
      const start = performance.now();
      if (modes[name] === 'native') await startNative(NATIVE_SERVERS[name], instance);
      if (modes[name] === 'external') await assertExternal(name);
      if (modes[name] === 'docker') await docker;
      const seconds = ((performance.now() - start) / 1000).toFixed(1);
      instance.log(`${name}: up at ${withoutPassword(env[CONNECTION_VARIABLES[name]])} (${modes[name]}, ${seconds} s)`);
    });
    const results = await Promise.allSettled(starts);
    const errors = [
      ...new Set(results.flatMap((result) => (result.status === 'rejected' ? [result.reason as Error] : []))),
    ];
    if (errors.length > 0) throw new AggregateError(errors, errors.map((error) => error.message).join('\n\n'));
    return env;
  });
}

async function assertExternal(name: ServerName): Promise<void> {
  const variable = CONNECTION_VARIABLES[name];
  if (!process.env[variable]) throw new Error(`CRM_STACK=external, but ${variable} is not set`);
  if (!(await answersExternally(name))) throw new Error(`${variable} is set, but nothing answers there`);
}

/** Stops the servers that this library started for the instance; `wipe` deletes their data and logs too. */
export async function down(options: StackOptions = {}, { wipe = false }: { wipe?: boolean } = {}): Promise<void> {
  const instance = resolveInstance(options);
  await withInstance(instance, async () => {
    await Promise.all(SERVERS.map((name) => stopNative(NATIVE_SERVERS[name], instance)));
    if (isDockerInstance(instance)) await stopDocker(instance, wipe);
    if (wipe) await rm(instance.dir, { recursive: true, force: true });
  });
}

/** What each server of the instance is and whether it answers now. Starts nothing, installs nothing. */
export async function status(options: StackOptions = {}): Promise<ServerStatus[]> {
  const instance = resolveInstance(options);
  const modes = await modesOf(instance);
  const env = envOf(instance, modes);
  return Promise.all(
    SERVERS.map(async (name) => {
      const server = NATIVE_SERVERS[name];
      const running = modes[name] === 'native' ? await runningProcess(instance, name) : undefined;
      const answers = await (modes[name] === 'external'
        ? answersExternally(name)
        : server.probe(env).then(
            () => true,
            () => false,
          ));
      return {
        name,
        title: { native: server.title(instance), docker: 'container', external: 'not ours' }[modes[name]],
        mode: modes[name],
        // Somebody else's server on our port is not ours.
        up: answers && (modes[name] !== 'native' || running !== undefined),
        address: withoutPassword(env[CONNECTION_VARIABLES[name]]),
        ...(running === undefined ? {} : { pid: running.pid, logFile: logFileOf(instance, name) }),
      };
    }),
  );
}

/**
 * Stops a server and starts it again on the same data, waiting until it answers.
 * @param how.signal SIGTERM (default) stops in good order, SIGKILL is a crash
 * @throws Error for an external server: it is not ours to stop
 */
export async function restart(
  name: ServerName,
  options: StackOptions = {},
  { signal = 'SIGTERM' }: { signal?: 'SIGTERM' | 'SIGKILL' } = {},
): Promise<void> {
  const instance = resolveInstance(options);
  await withInstance(instance, async () => {
    const mode = await modeOf(instance, name);
    if (mode === 'external') throw new Error(`${name} is external: it is not ours to restart`);
    if (mode === 'docker') return restartDocker(instance, name, signal);
    await stopNative(NATIVE_SERVERS[name], instance, signal);
    await startNative(NATIVE_SERVERS[name], instance);
  });
}
