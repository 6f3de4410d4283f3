import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export interface Relay {
  port: number;
  /** Breaks what is connected and refuses what comes, as a server that dies would. */
  shut(): Promise<void>;
}

/** A door in front of a server, so that a test can take the server away from its client alone. */
export async function openRelay(to: { host: string; port: number }, port = 0): Promise<Relay> {
  const sockets = new Set<Socket>();
  const door = createServer((client) => {
    const server = connect(to.port, to.host);
    client.pipe(server).pipe(client);
    for (const [socket, other] of [
      [client, server],
      [server, client],
    ] as const) {
      sockets.add(socket);
      socket.on('error', () => other.destroy());
      socket.on('close', () => sockets.delete(socket));
    }
  });
  await new Promise<void>((resolve) => door.listen(port, '127.0.0.1', resolve));
  return {
    port: (door.address() as AddressInfo).port,
    async shut() {
      const closed = new Promise((resolve) => door.close(resolve));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

/** A port that nothing listens on. */
export async function closedPort(): Promise<number> {
  const { port, shut } = await openRelay({ host: '127.0.0.1', port: 1 });
  await shut();
  return port;
}
