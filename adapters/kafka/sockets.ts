import { connect as connectTcp, isIP } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { ISocketFactory } from 'kafkajs';

const KEEP_ALIVE_DELAY_MS = 60_000;

/**
 * Opens sockets as kafkajs itself would, until `abandoned`: then all of them break at once, which kafkajs takes as a
 * lost connection and fails what is under way.
 */
export function socketFactory(abandoned: AbortSignal): ISocketFactory {
  return ({ host, port, ssl, onConnect }) => {
    const socket = ssl
      ? connectTls({ host, port, ...(isIP(host) ? {} : { servername: host }), ...ssl }, onConnect)
      : connectTcp({ host, port }, onConnect);
    socket.setKeepAlive(true, KEEP_ALIVE_DELAY_MS);
    const abandon = () => socket.destroy(new Error('given up'));
    abandoned.addEventListener('abort', abandon);
    socket.once('close', () => abandoned.removeEventListener('abort', abandon));
    // kafkajs listens to its errors only after this function has returned.
    if (abandoned.aborted) process.nextTick(abandon);
    return socket;
  };
}
