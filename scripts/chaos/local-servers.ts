// Which of the configured servers run here in a stack of ours, so that they may be restarted.
import type { Config } from '../../platform/config.ts';
import { environment, restart, type ServerName, status } from '../../stack/index.ts';
import { CONNECTION_VARIABLES, endpointsOf } from '../../stack/instance.ts';
import type { Random } from '../lib/random.ts';

/**
 * The servers of the local stack that the configuration points at.
 * @throws Error when there is none
 */
export async function restartable(config: Config): Promise<readonly [ServerName, ...ServerName[]]> {
  const [all, env] = await Promise.all([status(), environment()]);
  const configured: Record<ServerName, string> = {
    kafka: config.kafka.brokers.join(','),
    registry: config.registry.url,
    temporal: config.temporal.address,
    postgres: config.postgres.url,
    redis: config.redis.url,
  };
  const portsOf = (name: ServerName, address: string) => endpointsOf(name, address).map(({ port }) => port);
  const [first, ...others] = all
    .filter(({ name, mode, up }) => up && mode !== 'external' && isHere(name, configured[name]))
    .map(({ name }) => name)
    .filter((name) => {
      const ours = portsOf(name, env[CONNECTION_VARIABLES[name]]);
      return portsOf(name, configured[name]).every((port) => ours.includes(port));
    });
  if (first === undefined) {
    throw new Error(
      '--restart-servers: none of the configured servers belongs to a local stack that runs (npm run stack -- up); leave it out to kill workers alone',
    );
  }
  return [first, ...others];
}

/** Whether a server is on this machine. */
export function isHere(name: ServerName, address: string): boolean {
  return endpointsOf(name, address).every(({ host }) => ['localhost', '127.0.0.1', '::1'].includes(host));
}

/** Restarts one of the servers, in good order or as after a crash. @returns what it did, in words */
export async function restartOne(servers: readonly [ServerName, ...ServerName[]], random: Random): Promise<string> {
  const name = random.pick(servers);
  const signal = random.pick<'SIGTERM' | 'SIGKILL'>(['SIGTERM', 'SIGKILL']);
  await restart(name, { log: () => {} }, { signal });
  return `${name} ${signal === 'SIGKILL' ? 'killed and started' : 'restarted'}`;
}
