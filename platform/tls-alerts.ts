import type { EventEmitter } from 'node:events';

/** What we need to know of ioredis, which more than one room uses. */
interface Connection {
  on(event: 'connecting', listener: () => void): unknown;
  /** The socket of the attempt under way; undefined before the first. */
  readonly stream: EventEmitter | undefined;
}

const ignore = () => {};

/**
 * Keeps a process from ending when Redis has the last word. ioredis listens to the first error of a socket: when it is
 * left in the middle of a handshake whose certificate we don't trust, the alert of the server is a second one, and an
 * error that nobody listens to is uncaught.
 * @param connection just made
 */
export function outliveAlerts(connection: Connection): void {
  // The socket is made a moment after this event, and can't fail before the next turn of the loop.
  connection.on('connecting', () => setImmediate(() => connection.stream?.on('error', ignore)));
}
