// An S3-compatible server for tests: Versity's gateway (Apache-2.0), which keeps buckets in a folder.
import { spawn } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import net from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { installOnce } from './cache.ts';
import { run, withProgress } from './command.ts';
import { probeTcp } from './probes.ts';

const VERSION = '1.8.0';
const START_TIMEOUT_MS = 20_000;

export interface S3TestServer {
  endpoint: string;
  /** Kills it; what it keeps stays in its folder, for a server that is started over it again. */
  stop(): Promise<void>;
}

/** Path of the `versitygw` binary; builds it when it is not in the cache yet (about two minutes). */
async function install(log: (line: string) => void): Promise<string> {
  const dir = await installOnce(`versitygw-${VERSION}`, log, (target) =>
    withProgress(log, `versitygw: building ${VERSION} (about 2 minutes)`, () =>
      run('go', ['install', `github.com/versity/versitygw/cmd/versitygw@v${VERSION}`], { env: { GOBIN: target } }),
    ).then(() => undefined),
  );
  return path.join(dir, 'versitygw');
}

/**
 * Starts a server over a folder of its own.
 * @param port the one of a server that was stopped; a free one when left out
 */
export async function startS3TestServer(
  dir: string,
  credentials: { accessKeyId: string; secretAccessKey: string },
  { port, log = (line) => process.stderr.write(`${line}\n`) }: { port?: number; log?: (line: string) => void } = {},
): Promise<S3TestServer> {
  const command = await install(log);
  const [buckets, metadata] = [path.join(dir, 'buckets'), path.join(dir, 'metadata')];
  for (const folder of [buckets, metadata]) await mkdir(folder, { recursive: true });
  const chosen = port ?? (await freePort());
  // Metadata in files, since not every file system has extended attributes.
  const args = ['--quiet', '--port', `127.0.0.1:${chosen}`, 'posix', '--sidecar', metadata, buckets];
  const { accessKeyId, secretAccessKey } = credentials;
  const server = spawn(command, args, {
    env: { ...process.env, ROOT_ACCESS_KEY: accessKeyId, ROOT_SECRET_KEY: secretAccessKey },
    stdio: 'ignore',
  });
  const ended = new Promise<void>((resolve) => server.once('exit', () => resolve()));
  const deadline = Date.now() + START_TIMEOUT_MS;
  while (!(await answers(chosen))) {
    if (server.exitCode !== null || Date.now() > deadline) throw new Error(`versitygw does not start at ${chosen}`);
    await sleep(50);
  }
  return {
    endpoint: `http://127.0.0.1:${chosen}`,
    async stop() {
      server.kill('SIGKILL');
      await ended;
    },
  };
}

function answers(port: number): Promise<boolean> {
  return probeTcp('127.0.0.1', port).then(
    () => true,
    () => false,
  );
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = net.createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as net.AddressInfo;
      server.close(() => resolve(port));
    });
  });
}
