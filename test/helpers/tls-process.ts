/** Servers of a test's own, with settings that those which all tests share don't have. */
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { lastLines } from '../../stack/command.ts';
import { type Instance, PORT_NAMES, resolveInstance } from '../../stack/instance.ts';
import { isAlive, type Launch, spawnDetached, stopProcess } from '../../stack/process.ts';

export interface OwnServer {
  /** Ends it and deletes what it kept. */
  stop(): Promise<void>;
}

const READY_TIMEOUT_MS = 90_000;

/** Ports that nobody listens on, all different. */
export async function freePorts(count: number): Promise<number[]> {
  const listening = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer();
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      return server;
    }),
  );
  return Promise.all(
    listening.map(async (server) => {
      const address = server.address();
      await new Promise((resolve) => server.close(resolve));
      return typeof address === 'object' && address !== null ? address.port : 0;
    }),
  );
}

/** An instance of the stack whose servers are on free ports and in a folder of its own, which other users may enter. */
export async function ownInstance(name: string): Promise<Instance> {
  const dir = await mkdtemp(path.join(os.tmpdir(), `crm-tls-${name}-`));
  await chmod(dir, 0o755);
  const ports = await freePorts(PORT_NAMES.length);
  const named = Object.fromEntries(PORT_NAMES.map((port, index) => [port, ports[index] ?? 0]));
  const resolved = resolveInstance({ name, log: () => {} });
  return { ...resolved, dir, ports: { ...resolved.ports, ...named } };
}

/**
 * Starts a server in its instance's folder.
 * @param probe resolves when it answers
 * @throws Error with the end of its log when it does not
 */
export async function startOwn({ dir }: Instance, launch: Launch, probe: () => Promise<void>): Promise<OwnServer> {
  const log = path.join(dir, 'server.log');
  const process = await spawnDetached(launch, log);
  const deadline = Date.now() + READY_TIMEOUT_MS;
  const stop = async () => {
    await stopProcess(process, 'SIGKILL');
    await rm(dir, { recursive: true, force: true });
  };
  while (!(await succeeds(probe))) {
    if (!isAlive(process) || Date.now() > deadline) {
      const said = lastLines(await readFile(log, 'utf8'), 20);
      await stop();
      throw new Error(`the server does not start:\n${said}`);
    }
    await sleep(100);
  }
  return { stop };
}

const succeeds = (work: () => Promise<void>) =>
  work().then(
    () => true,
    () => false,
  );

/** Writes PEM texts to a folder for whoever wants paths. @returns the path of each */
export async function pemFiles<Name extends string>(
  dir: string,
  texts: Readonly<Record<Name, string>>,
): Promise<Record<Name, string>> {
  const paths: Partial<Record<Name, string>> = {};
  for (const name of Object.keys(texts) as Name[]) {
    const file = path.join(dir, `${name}.pem`);
    await writeFile(file, texts[name]);
    paths[name] = file;
  }
  return paths as Record<Name, string>;
}
