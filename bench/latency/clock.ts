const NANOSECONDS = 1_000_000;

/** Milliseconds on a clock that all threads and processes of the machine share, and that nobody sets. */
export function sharedClock(): number {
  return Number(process.hrtime.bigint()) / NANOSECONDS;
}
