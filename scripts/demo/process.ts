// The product as a child process: worker and API, as `npm start` runs them.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const START_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 15_000;

export interface Product {
  url: string;
  /** Settles when the process ends, which it shouldn't by itself. */
  ended: Promise<never>;
  stop(): Promise<void>;
}

/**
 * Starts worker and API and waits until the API answers.
 * @param logFile gets everything that the process prints
 * @throws Error with the log file's path when it ends or does not answer in time
 */
export async function startProduct(
  root: string,
  environment: Record<string, string>,
  logFile: string,
): Promise<Product> {
  await mkdir(dirname(logFile), { recursive: true });
  const port = await freePort(Number(process.env.API_PORT ?? 3000));
  const child = spawn(process.execPath, [join(root, 'workers', 'all.ts')], {
    cwd: root,
    env: { ...process.env, ...environment, API_PORT: String(port) },
    stdio: ['ignore', 'pipe', 'pipe'],
    // Ctrl-C is for us: we stop it in order.
    detached: true,
  });
  const log = createWriteStream(logFile);
  child.stdout?.pipe(log);
  child.stderr?.pipe(log);
  const ended = once(child, 'exit').then(([code, signal]) => {
    throw new Error(`the worker ended (${signal ?? `exit code ${code}`}); its log is ${logFile}`);
  });
  ended.catch(() => {});
  const url = `http://127.0.0.1:${port}`;
  try {
    await Promise.race([answers(`${url}/health/live`, logFile), ended]);
  } catch (error) {
    child.kill('SIGKILL');
    throw error;
  }
  return { url, ended, stop: () => stop(child) };
}

async function answers(url: string, logFile: string): Promise<void> {
  const until = Date.now() + START_TIMEOUT_MS;
  while (Date.now() < until) {
    const ok = await fetch(url).then(
      (response) => response.ok,
      () => false,
    );
    if (ok) {
      return;
    }
    await sleep(200);
  }
  throw new Error(`the API did not answer within ${START_TIMEOUT_MS / 1000} s; its log is ${logFile}`);
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) {
    return;
  }
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  await Promise.race([exited, sleep(STOP_TIMEOUT_MS, undefined, { ref: false })]);
  child.kill('SIGKILL');
}

/** The wanted port, or another one when somebody listens there. */
function freePort(wanted: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE' && wanted !== 0) {
        freePort(0).then(resolve, reject);
      } else {
        reject(error);
      }
    });
    server.listen(wanted, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : wanted));
    });
  });
}
