// Server processes that outlive the command that started them, told from strangers that got the same pid later.
import { execFileSync, spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** A process for good: pids are reused, a pid with its start time is not. */
export type ProcessIdentity = { pid: number; startedAt: string };

/** When the process started (kernel's own figure, only for comparison), or undefined if it is gone or a zombie. */
export function startTime(pid: number): string | undefined {
  if (!existsSync('/proc/self/stat')) return startTimeByPs(pid);
  try {
    // The command name in field 2 may hold spaces and brackets: count from the last bracket.
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19];
  } catch {
    return undefined;
  }
}

function startTimeByPs(pid: number): string | undefined {
  try {
    return execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' }).trim() || undefined;
  } catch {
    return undefined;
  }
}

export function isAlive(identity: ProcessIdentity): boolean {
  return startTime(identity.pid) === identity.startedAt;
}

export function ownIdentity(): ProcessIdentity {
  return { pid: process.pid, startedAt: startTime(process.pid) ?? '' };
}

/** How to start a server. */
export type Launch = {
  command: string;
  args: string[];
  cwd: string;
  env?: Record<string, string>;
  /** User to run as, when it must not be the present one. */
  user?: { uid: number; gid: number } | undefined;
};

/** Starts a process in a session of its own, output appended to a log file. Throws when the command can't be run. */
export async function spawnDetached(launch: Launch, logFile: string): Promise<ProcessIdentity> {
  const output = openSync(logFile, 'a');
  try {
    const child = spawn(launch.command, launch.args, {
      cwd: launch.cwd,
      env: { ...process.env, ...launch.env },
      detached: true,
      stdio: ['ignore', output, output],
      ...launch.user,
    });
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', reject);
    });
    child.unref();
    const pid = child.pid as number;
    return { pid, startedAt: startTime(pid) ?? '' };
  } finally {
    closeSync(output);
  }
}

function childrenOf(pid: number): ProcessIdentity[] {
  if (!existsSync('/proc/self/stat')) return [];
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry) && parentOf(entry) === pid)
    .map((entry) => ({ pid: Number(entry), startedAt: startTime(Number(entry)) ?? '' }));
}

function parentOf(pid: string): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
  } catch {
    return undefined;
  }
}

function signalIfAlive(identity: ProcessIdentity, signal: NodeJS.Signals): void {
  if (isAlive(identity)) {
    try {
      process.kill(identity.pid, signal);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }
}

/**
 * Ends a process and waits until it is gone. SIGKILL takes its children along, as a power cut would (PostgreSQL's
 * backends outlive a killed postmaster for a moment and would keep its successor out); a process that ignores a milder
 * signal for `graceMs` milliseconds is killed.
 */
export async function stopProcess(identity: ProcessIdentity, signal: NodeJS.Signals, graceMs = 20_000): Promise<void> {
  if (!isAlive(identity)) return;
  const family = [identity, ...childrenOf(identity.pid)];
  if (signal === 'SIGKILL') {
    for (const member of family) signalIfAlive(member, 'SIGKILL');
  } else {
    signalIfAlive(identity, signal);
  }
  const deadline = Date.now() + graceMs;
  while (family.some(isAlive)) {
    if (Date.now() > deadline) for (const member of family) signalIfAlive(member, 'SIGKILL');
    await sleep(20);
  }
}
