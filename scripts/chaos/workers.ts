// Worker processes that are there to be killed.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

export interface Herd {
  /** Folder of their logs. */
  logs: string;
  start(): void;
  /** Ends one of them by SIGKILL and starts another. @param index counted from the oldest */
  replace(index: number): Promise<void>;
  /** Lets all of them hand over and end. */
  stop(): Promise<void>;
}

const STOP_TIMEOUT_MS = 15_000;

/** @param root folder of the product */
export async function createHerd(root: string): Promise<Herd> {
  const logs = await mkdtemp(join(tmpdir(), 'crm-chaos-'));
  const running: ChildProcess[] = [];
  let started = 0;
  process.once('exit', () => {
    for (const worker of running) worker.kill('SIGKILL');
  });

  function start(): void {
    started += 1;
    const worker = spawn(process.execPath, [join(root, 'workers', 'worker.ts')], {
      cwd: root,
      // Port 0: metrics and health listen wherever there is room.
      env: { ...process.env, WORKER_PORT: '0' },
      stdio: ['ignore', 'pipe', 'pipe'],
      // Ctrl-C is for us: we stop them in order.
      detached: true,
    });
    const log = createWriteStream(join(logs, `worker-${started}.log`));
    worker.stdout?.pipe(log);
    worker.stderr?.pipe(log);
    running.push(worker);
    worker.once('exit', () => {
      const index = running.indexOf(worker);
      if (index >= 0) running.splice(index, 1);
    });
  }

  async function end(worker: ChildProcess, signal: NodeJS.Signals): Promise<void> {
    if (worker.exitCode !== null || worker.signalCode !== null) return;
    const exited = once(worker, 'exit');
    worker.kill(signal);
    await Promise.race([exited, sleep(STOP_TIMEOUT_MS, undefined, { ref: false })]);
    worker.kill('SIGKILL');
  }

  return {
    logs,
    start,
    async replace(index) {
      const worker = running[index % Math.max(1, running.length)];
      if (worker !== undefined) await end(worker, 'SIGKILL');
      start();
    },
    async stop() {
      await Promise.all([...running].map((worker) => end(worker, 'SIGTERM')));
    },
  };
}
