// One server as a process of this machine: start, stop, and the record that says it is ours.
import { readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import net from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { makeDir } from './cache.ts';
import { lastLines } from './command.ts';
import { CONNECTION_VARIABLES, type Instance, ownEnv, portVariable, type ServerName } from './instance.ts';
import { isAlive, type ProcessIdentity, spawnDetached, stopProcess } from './process.ts';
import type { NativeServer } from './servers/server.ts';

/** Recovery after a kill may replay a long log; a fresh start takes seconds. */
const READY_TIMEOUT_MS = 120_000;
const MAX_LOG_BYTES = 50_000_000;

const dirOf = (instance: Instance, name: ServerName) => path.join(instance.dir, name);
const recordFile = (instance: Instance, name: ServerName) => path.join(dirOf(instance, name), 'process.json');

/** Where a natively run server writes its output. */
export const logFileOf = (instance: Instance, name: ServerName) => path.join(dirOf(instance, name), 'server.log');

type Record = ProcessIdentity & { title: string };

/** The running process of a server, or undefined. */
export async function runningProcess(instance: Instance, name: ServerName): Promise<Record | undefined> {
  const text = await readFile(recordFile(instance, name), 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  const record = JSON.parse(text) as Record;
  return isAlive(record) ? record : undefined;
}

/**
 * Starts a server unless it runs, and waits until it answers.
 * @throws Error when a port is taken, when another version runs, or with the end of the log when it dies or stays silent
 */
export async function startNative(server: NativeServer, instance: Instance): Promise<void> {
  const { name } = server;
  const title = server.title(instance);
  const running = await runningProcess(instance, name);
  if (running !== undefined && running.title !== title) {
    throw new Error(
      `${running.title} runs in instance ${instance.name}, ${title} is asked for: stop it first or use another --name`,
    );
  }
  await waitUntilReady(server, instance, running ?? (await launch(server, instance, title)));
}

async function launch(server: NativeServer, instance: Instance, title: string): Promise<ProcessIdentity> {
  await server.install(instance);
  for (const port of server.ports) await assertFree(server, instance.ports[port], portVariable(port));
  const dir = dirOf(instance, server.name);
  await makeDir(dir);
  const prepared = await server.prepare(instance, dir);
  const logFile = logFileOf(instance, server.name);
  const size = await stat(logFile).then(
    (found) => found.size,
    () => 0,
  );
  if (size > MAX_LOG_BYTES) await rename(logFile, `${logFile}.1`);
  const identity = await spawnDetached(prepared, logFile);
  await writeFile(recordFile(instance, server.name), JSON.stringify({ ...identity, title } satisfies Record));
  return identity;
}

/** A killed process with many threads lets go of its port a moment after it is seen to be dead. */
const PORT_RELEASE_MS = 5_000;

async function assertFree(server: NativeServer, port: number, variable: string): Promise<void> {
  const deadline = Date.now() + PORT_RELEASE_MS;
  while (!(await isFree(port))) {
    if (Date.now() > deadline) {
      const hint = `set ${variable} to another port, or ${CONNECTION_VARIABLES[server.name]} to the server that is there`;
      throw new Error(`port ${port} for ${server.name} is in use by another program: ${hint}`);
    }
    await sleep(100);
  }
}

/** @throws what listening fails with, other than that the port is taken */
function isFree(port: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const listener = net.createServer();
    listener.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve(false);
      else reject(error);
    });
    listener.listen(port, '127.0.0.1', () => listener.close(() => resolve(true)));
  });
}

async function waitUntilReady(server: NativeServer, instance: Instance, identity: ProcessIdentity): Promise<void> {
  const env = ownEnv(instance.ports, 'native');
  const deadline = Date.now() + READY_TIMEOUT_MS;
  for (;;) {
    const failure = await server.probe(env).then(
      () => undefined,
      (error: unknown) => error,
    );
    if (failure === undefined) return;
    if (!isAlive(identity)) throw await failedStart(server, instance, 'died while starting');
    if (Date.now() > deadline) throw await failedStart(server, instance, `does not answer (${failure})`);
    await sleep(100);
  }
}

async function failedStart(server: NativeServer, instance: Instance, what: string): Promise<Error> {
  const file = logFileOf(instance, server.name);
  const log = await readFile(file, 'utf8').catch(() => '');
  return new Error(`${server.name} ${what}. The end of ${file}:\n${lastLines(log, 20)}`);
}

/** Stops a server if it runs; default is its own orderly way, SIGKILL makes it a crash. */
export async function stopNative(server: NativeServer, instance: Instance, signal?: NodeJS.Signals): Promise<void> {
  const running = await runningProcess(instance, server.name);
  if (running !== undefined) await stopProcess(running, signal === 'SIGKILL' ? signal : server.stopSignal);
  await rm(recordFile(instance, server.name), { force: true });
}
