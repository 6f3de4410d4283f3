/** How many connections a server takes: an address that opens all of them would lock everyone else out. */
import type { Server, Socket } from 'node:net';

export interface ConnectionLimits {
  most: number;
  /** Of one address; null where proxies stand in front, which bring the connections of many. */
  mostOfAddress: number | null;
}

/** @param onRefused is told of each connection that is closed at once */
export function limitConnections(server: Server, limits: ConnectionLimits, onRefused: () => void): void {
  server.maxConnections = limits.most;
  server.on('drop', onRefused);
  const { mostOfAddress } = limits;
  if (mostOfAddress === null) return;
  const open = new Map<string, number>();
  server.on('connection', (socket: Socket) => {
    const address = socket.remoteAddress ?? '';
    const count = (open.get(address) ?? 0) + 1;
    open.set(address, count);
    socket.once('close', () => {
      const left = (open.get(address) ?? 1) - 1;
      if (left === 0) open.delete(address);
      else open.set(address, left);
    });
    if (count > mostOfAddress) {
      socket.destroy();
      onRefused();
    }
  });
}
