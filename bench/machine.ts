// What processes cost, as Linux tells it; elsewhere every figure is null.
import { readdirSync, readFileSync } from 'node:fs';
import os from 'node:os';

/** Linux counts CPU time in hundredths of a second for programs, whatever the kernel's own clock is. */
const TICKS_PER_SECOND = 100;

interface ProcessTimes {
  parent: number;
  /** Of the process and of its children that have ended. */
  cpuSeconds: number;
}

function timesOf(pid: number): ProcessTimes | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The command name in field 2 may hold spaces and brackets: count from the last bracket.
    const fields = stat
      .slice(stat.lastIndexOf(')') + 2)
      .split(' ')
      .map(Number);
    const [, parent = 0] = fields;
    const ticks = fields.slice(11, 15).reduce((sum, value) => sum + value, 0);
    return { parent, cpuSeconds: ticks / TICKS_PER_SECOND };
  } catch {
    return null; // ended meanwhile, or not Linux
  }
}

/** The process that started another; null where the system does not tell. */
export function parentOf(pid: number): number | null {
  return timesOf(pid)?.parent ?? null;
}

/** CPU seconds that processes and all their descendants have used so far; null where the system does not tell. */
export function cpuSecondsOf(roots: readonly number[]): number | null {
  const running = allProcesses();
  if (!roots.some((pid) => running.has(pid))) return null;
  const belongs = (pid: number): boolean =>
    roots.includes(pid) || (running.has(pid) && belongs(running.get(pid)?.parent ?? 0));
  let seconds = 0;
  for (const [pid, times] of running) {
    if (belongs(pid)) seconds += times.cpuSeconds;
  }
  return seconds;
}

function allProcesses(): Map<number, ProcessTimes> {
  const found = new Map<number, ProcessTimes>();
  let names: string[];
  try {
    names = readdirSync('/proc');
  } catch {
    return found;
  }
  for (const name of names) {
    const times = /^\d+$/.test(name) ? timesOf(Number(name)) : null;
    if (times !== null) found.set(Number(name), times);
  }
  return found;
}

/** Most memory that a process has held at once, in bytes; null where the system does not tell. */
export function peakRssBytes(pid: number): number | null {
  try {
    const kibibytes = /^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    return kibibytes === undefined ? null : Number(kibibytes) * 1024;
  } catch {
    return null;
  }
}

/** CPU seconds that the whole machine has been busy since it started, on all cores together. */
function busySeconds(): number {
  return os.cpus().reduce((sum, { times }) => sum + (times.user + times.nice + times.sys + times.irq) / 1000, 0);
}

/**
 * Watches how much of the machine goes to others while something is measured.
 * @param servers processes that belong to the measurement, besides this one and its children
 * @returns a function that tells the others' share of all cores since now, 0 to 1; null where the system does not tell
 */
export function watchOthers(servers: readonly number[]): () => number | null {
  const began = performance.now();
  const ours = () => cpuSecondsOf([process.pid, ...servers]);
  const before = { busy: busySeconds(), ours: ours() };
  return () => {
    const after = { busy: busySeconds(), ours: ours() };
    if (before.ours === null || after.ours === null) return null;
    const available = ((performance.now() - began) / 1000) * os.availableParallelism();
    return Math.max(0, (after.busy - before.busy - (after.ours - before.ours)) / available);
  };
}
