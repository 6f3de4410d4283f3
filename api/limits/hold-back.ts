/**
 * Lets those who are refused again and again wait for the answer: who asks without pause over connections that are
 * limited in number then asks as often as there are connections, not as often as they like.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { WINDOW_SECONDS } from './limiter.ts';
import { createRecent } from './recent.ts';

export interface Refused {
  network: string;
  incoming: Pick<IncomingMessage, 'socket'>;
  outgoing: Pick<ServerResponse, 'once'>;
  answer(): void;
}

/** Answers a refused request, at once or later; not at all once the connection is gone. */
export type HoldBack = (refused: Refused) => void;

/** What clients have the patience for. Of all lengths in between, so that answers don't come in waves. */
const LEAST_MS = 2_500;
const MOST_MS = 5_000;
/** In a minute, which are answered at once. */
const FREE = 100;
const WINDOW_MS = WINDOW_SECONDS * 1_000;

/**
 * @param now milliseconds on a clock that never goes back
 * @param random from 0 to 1
 */
export function createHoldBack(now = () => performance.now(), random = Math.random): HoldBack {
  // Not a limiter's: those make a promise of each count, and remember as many networks as come.
  const counts = createRecent<{ refused: number; until: number }>();
  const holding = new WeakSet<Socket>();

  function isTooMuch(network: string): boolean {
    const at = now();
    const found = counts.get(network);
    if (found === undefined || found.until <= at) {
      counts.set(network, { refused: 1, until: at + WINDOW_MS });
      return false;
    }
    found.refused += 1;
    return found.refused > FREE;
  }

  return ({ network, incoming: { socket }, outgoing, answer }) => {
    if (!isTooMuch(network)) {
      answer();
      return;
    }
    // Sent without waiting for the answer: what is held must not grow with what somebody sends.
    if (holding.has(socket)) {
      socket.destroy();
      return;
    }
    holding.add(socket);
    const timer = setTimeout(answer, LEAST_MS + random() * (MOST_MS - LEAST_MS));
    outgoing.once('close', () => {
      clearTimeout(timer);
      holding.delete(socket);
    });
  };
}
