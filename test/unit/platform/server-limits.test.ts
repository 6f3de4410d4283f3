import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { type Listening, type ListenOptions, listen } from '../../../platform/http-server.ts';

const open: Listening[] = [];
const sockets: Socket[] = [];
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const server of open.splice(0)) await server.close();
});

async function start(options: Partial<ListenOptions> = {}, answer = async () => new Response('hello')) {
  const server = await listen(answer, { host: '127.0.0.1', port: 0, ...options });
  open.push(server);
  return server.port;
}

async function dial(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => {});
  sockets.push(socket);
  await once(socket, 'connect');
  return socket;
}

/** All that the server sends until it closes the connection. */
async function untilClosed(socket: Socket): Promise<string> {
  let text = '';
  for await (const bytes of socket.setEncoding('latin1')) text += bytes;
  return text;
}

const HEAD = 'GET / HTTP/1.1\r\nhost: x\r\n';

describe('the server', () => {
  it('closes a connection whose headers never end', async () => {
    const socket = await dial(await start({ requestTimeoutMs: 500 }));
    socket.write(HEAD);
    expect(await untilClosed(socket)).toContain('408 Request Timeout');
  });

  it('closes a connection whose body never ends', async () => {
    const body = Promise.withResolvers<string>();
    const port = await start({ requestTimeoutMs: 500 }, async () => new Response(await body.promise));
    const socket = await dial(port);
    socket.write('POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\na');
    expect(await untilClosed(socket)).toContain('408 Request Timeout');
    body.resolve('');
  });

  it('closes an idle connection', async () => {
    const socket = await dial(await start({ keepAliveMs: 50 }));
    socket.write(`${HEAD}\r\n`);
    expect(await untilClosed(socket)).toContain('hello');
  });

  it('takes no headers beyond 16 KiB', async () => {
    const socket = await dial(await start());
    socket.write(`${HEAD}x: ${'a'.repeat(17_000)}\r\n\r\n`);
    expect(await untilClosed(socket)).toContain('431 Request Header Fields Too Large');
  });

  it('lets no address open more connections than its share, and takes new ones once it closes some', async () => {
    let refused = 0;
    const port = await start({
      connections: { most: 10, mostOfAddress: 2 },
      onConnectionRefused: () => {
        refused += 1;
      },
    });
    const [first, second] = [await dial(port), await dial(port)];
    expect(await untilClosed(await dial(port))).toBe('');
    expect(refused).toBe(1);
    second.write(`${HEAD}\r\n`);
    expect(String((await once(second, 'data'))[0])).toContain('hello');
    first.end();
    await once(first, 'close');
    await answeredAgain(port);
  });

  it('counts no shares behind proxies, only all connections', async () => {
    let refused = 0;
    const port = await start({
      connections: { most: 2, mostOfAddress: null },
      onConnectionRefused: () => {
        refused += 1;
      },
    });
    await Promise.all([dial(port), dial(port)]);
    expect(await untilClosed(await dial(port))).toBe('');
    expect(refused).toBe(1);
  });

  it('leaves to whoever refuses early what it refuses, and only that', async () => {
    const port = await start({
      refuse(incoming, outgoing) {
        if (incoming.url !== '/refused') return false;
        outgoing.writeHead(429).end();
        return true;
      },
    });
    expect((await fetch(`http://127.0.0.1:${port}/refused`)).status).toBe(429);
    expect(await (await fetch(`http://127.0.0.1:${port}/`)).text()).toBe('hello');
  });
});

/** The server notices a moment after the client that a connection is closed. */
async function answeredAgain(port: number): Promise<void> {
  for (;;) {
    const socket = await dial(port);
    socket.write(`${HEAD}connection: close\r\n\r\n`);
    if ((await untilClosed(socket)).includes('hello')) return;
  }
}
