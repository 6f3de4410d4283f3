// Redis: the machine's own, or Debian's package unpacked into the cache (nothing installed, no service, no root needed).
import { access, mkdir, readdir } from 'node:fs/promises';
import path from 'node:path';
import { installOnce } from '../cache.ts';
import { run, withProgress } from '../command.ts';
import type { Instance } from '../instance.ts';
import { probeRedis } from '../probes.ts';
import type { NativeServer } from './server.ts';

type Installed = { command: string; env: Record<string, string> };

async function install(log: Instance['log']): Promise<Installed> {
  const own = await findOnPath('redis-server');
  if (own !== undefined) return { command: own, env: {} };
  const root = await installOnce('redis-debian', log, (dir) =>
    withProgress(log, 'redis: downloading the Debian package', async () => {
      await download(dir).catch(async (error: unknown) => {
        if (process.getuid?.() !== 0) throw error;
        await run('apt-get', ['update']); // no package lists yet, or so old that the files they name are gone
        await download(dir);
      });
      for (const file of (await readdir(dir)).filter((name) => name.endsWith('.deb'))) {
        await run('dpkg-deb', ['-x', path.join(dir, file), dir]);
      }
    }),
  );
  const lib = path.join(root, 'usr/lib');
  const folders = [
    lib,
    ...(await readdir(lib)).filter((name) => name.includes('-linux-')).map((name) => path.join(lib, name)),
  ];
  return { command: path.join(root, 'usr/bin/redis-server'), env: { LD_LIBRARY_PATH: folders.join(':') } };
}

/** Fetches redis-server and those packages it needs that this machine lacks, as a simulated install names them. */
async function download(dir: string): Promise<void> {
  const plan = await run('apt-get', ['install', '--simulate', '--no-install-recommends', 'redis-server']);
  const packages = [...plan.matchAll(/^Inst (\S+)/gm)].map((match) => match[1] as string);
  await run('apt-get', ['download', '-o', 'APT::Sandbox::User=root', ...packages], { cwd: dir });
}

async function findOnPath(command: string): Promise<string | undefined> {
  for (const folder of (process.env.PATH ?? '').split(path.delimiter)) {
    const file = path.join(folder, command);
    if (
      await access(file).then(
        () => true,
        () => false,
      )
    )
      return file;
  }
  return undefined;
}

export const redis: NativeServer = {
  name: 'redis',
  title: () => 'Redis',
  ports: ['redis'],
  stopSignal: 'SIGTERM',

  async install({ log }) {
    await install(log);
  },

  async prepare({ ports, log }, dir) {
    const { command, env } = await install(log);
    const dataDir = path.join(dir, 'data');
    await mkdir(dataDir, { recursive: true });
    // BullMQ's keys must never be evicted. Nothing that can't be told anew from PostgreSQL lives here: no append-only file.
    const settings = {
      port: ports.redis,
      bind: '127.0.0.1',
      dir: dataDir,
      appendonly: 'no',
      'maxmemory-policy': 'noeviction',
    };
    return {
      command,
      args: Object.entries(settings).flatMap(([key, value]) => [`--${key}`, String(value)]),
      cwd: dataDir,
      env,
    };
  },

  probe: (env) => probeRedis(env.REDIS_URL),
};
