/**
 * Lets those who are refused again and again wait for the answer: who asks without pause over connections that are
 * limited in number then asks as often as there are connections, not as often as they like.
 */
import { createRecent } from './recent.ts';

/** @returns milliseconds that the answer to a refused request is to be held back */
export type HoldBack = (network: string) => number;

/** What clients have the patience for. Of all lengths in between, so that answers don't come in waves. */
const LEAST_MS = 2_500;
const MOST_MS = 5_000;
/** In a minute, which are answered at once. */
const FREE = 100;
const WINDOW_MS = 60_000;
const MOST_REMEMBERED = 10_000;

/**
 * @param now milliseconds on a clock that never goes back
 * @param random from 0 to 1
 */
export function createHoldBack(now = () => performance.now(), random = Math.random): HoldBack {
  const refused = createRecent<{ count: number; until: number }>(MOST_REMEMBERED);
  return (network) => {
    const at = now();
    const found = refused.get(network);
    if (found === undefined || found.until <= at) {
      refused.set(network, { count: 1, until: at + WINDOW_MS });
      return 0;
    }
    found.count += 1;
    return found.count > FREE ? LEAST_MS + random() * (MOST_MS - LEAST_MS) : 0;
  };
}
