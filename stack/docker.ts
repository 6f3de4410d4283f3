// The servers as containers: docker-compose.yml of this project, its infrastructure services only.
import { existsSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { makeDir } from './cache.ts';
import { run, withProgress } from './command.ts';
import { type Instance, PORT_NAMES, portVariable, type ServerName } from './instance.ts';

const COMPOSE_FILE = fileURLToPath(new URL('../docker-compose.yml', import.meta.url));

/** Services in docker-compose.yml of each server. */
export const SERVICES: Record<ServerName, string[]> = {
  kafka: ['kafka'],
  registry: ['schema-registry'],
  temporal: ['temporal'],
  postgres: ['postgres'],
  redis: ['redis'],
};

let available: Promise<boolean> | undefined;

/** Whether a Docker daemon answers and its Compose plugin is there; asked once a process. */
export function dockerAvailable(): Promise<boolean> {
  available ??= Promise.all([
    run('docker', ['info'], { timeoutMs: 5_000 }),
    run('docker', ['compose', 'version'], { timeoutMs: 5_000 }),
  ]).then(
    () => true,
    () => false,
  );
  return available;
}

const markerFile = (instance: Instance) => path.join(instance.dir, 'docker');

/** Whether the instance was started with Docker and not taken down since. */
export const isDockerInstance = (instance: Instance) => existsSync(markerFile(instance));

function compose(instance: Instance, args: string[]): Promise<string> {
  const ports = PORT_NAMES.map((name) => [portVariable(name), String(instance.ports[name])]);
  return run('docker', ['compose', '-p', `crm-ingestion-${instance.name}`, '-f', COMPOSE_FILE, ...args], {
    env: { ...(Object.fromEntries(ports) as Record<string, string>), POSTGRES_VERSION: instance.postgresVersion },
  });
}

const servicesOf = (names: readonly ServerName[]) => names.flatMap((name) => SERVICES[name]);

/** Starts the containers of these servers and waits until they are healthy. */
export async function startDocker(instance: Instance, names: readonly ServerName[]): Promise<void> {
  await makeDir(instance.dir);
  await writeFile(markerFile(instance), '');
  await withProgress(
    instance.log,
    `docker compose: starting ${names.join(', ')} (the first time it fetches images)`,
    () => compose(instance, ['up', '-d', '--wait', ...servicesOf(names)]),
  );
}

/** Removes the containers of the instance, with `wipe` their volumes too. */
export async function stopDocker(instance: Instance, wipe: boolean): Promise<void> {
  await compose(instance, ['down', ...(wipe ? ['--volumes'] : [])]);
  await rm(markerFile(instance), { force: true });
}

/** Stops one server by a signal and starts it again on the same data. */
export async function restartDocker(instance: Instance, name: ServerName, signal: NodeJS.Signals): Promise<void> {
  await compose(instance, ['kill', '-s', signal, ...SERVICES[name]]);
  await compose(instance, ['up', '-d', '--wait', ...SERVICES[name]]);
}

/** The last lines that a server's containers wrote. */
export const dockerLogs = (instance: Instance, name: ServerName, lines: number) =>
  compose(instance, ['logs', '--no-color', '--tail', String(lines), ...SERVICES[name]]);
