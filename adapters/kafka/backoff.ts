const FIRST_MS = 100;
const LONGEST_MS = 5_000;

/** Milliseconds to wait after this many failures in a row: 100 ms doubling to 5 s, less up to a half at random. */
export function backoffMs(failures: number): number {
  const full = Math.min(FIRST_MS * 2 ** Math.max(failures - 1, 0), LONGEST_MS);
  return full * (1 - Math.random() / 2);
}
