// Sends a flood of requests from a process of its own.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

export interface FloodOrder {
  port: number;
  path: string;
  /** Requests per second that are due; each is sent if a connection is idle then. */
  rate: number;
  /** Kept alive; each has one request under way at a time. */
  connections: number;
  /** Shown in turn. */
  tokens: readonly string[];
}

export interface FloodCount {
  seconds: number;
  /** Part of the time that the flood was not at work, for want of the machine. */
  asleep: number;
  sent: number;
  answered: number;
  /** Answers by status. */
  byStatus: Record<string, number>;
  /** Connections that the server closed. */
  closed: number;
}

export interface Flood {
  /** Ends it. @returns what came of it */
  stop(): Promise<FloodCount>;
}

const PROGRAM = fileURLToPath(new URL('flood-process.ts', import.meta.url));

/** Begins at once. @throws Error when the process can't be started */
export async function startFlood(order: FloodOrder): Promise<Flood> {
  const child = fork(PROGRAM, [], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  const killWithUs = () => child.kill('SIGKILL');
  process.once('exit', killWithUs);
  child.once('exit', () => process.off('exit', killWithUs));
  await once(child, 'spawn');
  child.send(order);
  return { stop: () => stop(child) };
}

async function stop(child: ChildProcess): Promise<FloodCount> {
  const exited = once(child, 'exit');
  const told = once(child, 'message');
  child.send('stop');
  const first = await Promise.race([told, exited.then(() => null)]);
  if (first === null) throw new Error('the process that floods has ended: measure again');
  await exited;
  return first[0] as FloodCount;
}
