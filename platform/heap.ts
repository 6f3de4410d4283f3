import { setFlagsFromString } from 'node:v8';

/**
 * How much the heap may grow over what was alive, in percent, before garbage is collected. V8 itself waits for up to
 * three times as much: batches live just long enough to grow old, so that most of the heap would be dead ones.
 */
const GROWING_PERCENT = 75;

/** Keeps the old generation small; to be called first. */
export function keepHeapSmall(): void {
  setFlagsFromString(`--heap-growing-percent=${GROWING_PERCENT}`);
}
