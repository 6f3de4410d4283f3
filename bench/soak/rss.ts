import { readFileSync } from 'node:fs';
import { sharedClock } from '../latency/clock.ts';

export interface RssSample {
  /** On the shared clock, in milliseconds. */
  at: number;
  bytes: number;
}

const EVERY_MS = 1_000;

/** Samples what a process holds each second, where Linux tells. @returns a function that ends it and gives the samples */
export function watchRss(pid: number): () => RssSample[] {
  const samples: RssSample[] = [];
  const timer = setInterval(() => {
    const bytes = rssBytes(pid);
    if (bytes !== null) samples.push({ at: sharedClock(), bytes });
  }, EVERY_MS);
  return () => {
    clearInterval(timer);
    return samples;
  };
}

function rssBytes(pid: number): number | null {
  try {
    const kibibytes = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    return kibibytes === undefined ? null : Number(kibibytes) * 1024;
  } catch {
    return null; // ended, or not Linux
  }
}
