import net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { onTestFinished } from 'vitest';

/** What a proxy does to the bytes that pass. */
export type Mode =
  | { is: 'forward' }
  /** Each chunk is late by so much, in both directions. */
  | { is: 'latency'; ms: number }
  /** Both directions are swallowed without a word, on open connections and new ones. */
  | { is: 'silent' }
  /** After the client sent `marker`, the answer that `complete` recognises, and all after it, is swallowed. */
  | { is: 'swallow-answer'; marker: string; complete: (answer: Buffer) => boolean; swallowed: () => void };

export interface TcpProxy {
  /** 127.0.0.1:port */
  address: string;
  set(mode: Mode): void;
  /** Ends every open connection with a reset; new ones go through. */
  cut(): void;
}

export const FORWARD: Mode = { is: 'forward' };

/**
 * Listens on a port of its own and passes everything on to a server. Connections that were silent once stay so, as those
 * behind a firewall that forgot them.
 * @param target host:port
 */
export async function createTcpProxy(target: string): Promise<TcpProxy> {
  const { hostname: host, port } = new URL(`tcp://${target}`);
  let mode = FORWARD;
  const links = new Set<Link>();
  const server = net.createServer((client) => {
    const link = createLink(client, net.connect({ host, port: Number(port) }), () => mode);
    links.add(link);
    client.once('close', () => links.delete(link));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const cut = () => {
    for (const link of links) link.cut();
  };
  onTestFinished(() => {
    server.close();
    cut();
  });
  return {
    address: `127.0.0.1:${(server.address() as net.AddressInfo).port}`,
    set(next) {
      mode = next;
    },
    cut,
  };
}

/** The URL of a server, with a proxy in its place. */
export function throughProxy(url: string, proxy: TcpProxy): string {
  const changed = new URL(url);
  changed.host = proxy.address;
  return changed.href;
}

interface Link {
  cut(): void;
}

function createLink(client: net.Socket, server: net.Socket, mode: () => Mode): Link {
  let silent = false;
  let marked = false;
  let answer = Buffer.alloc(0);
  const cut = () => {
    client.resetAndDestroy();
    server.destroy();
  };

  const toServer = createDelay((bytes) => server.write(bytes));
  const toClient = createDelay((bytes) => client.write(bytes));
  const pass = (delay: Delay, bytes: Buffer) => {
    const now = mode();
    silent ||= now.is === 'silent';
    if (!silent) delay(bytes, now.is === 'latency' ? now.ms : 0);
  };

  client.on('data', (bytes) => {
    const now = mode();
    if (now.is === 'swallow-answer' && bytes.includes(now.marker)) {
      marked = true;
      answer = Buffer.alloc(0);
    }
    pass(toServer, bytes);
  });
  server.on('data', (bytes) => {
    const now = mode();
    if (!marked || now.is !== 'swallow-answer') {
      pass(toClient, bytes);
      return;
    }
    answer = Buffer.concat([answer, bytes]);
    if (!silent && now.complete(answer)) {
      silent = true;
      now.swallowed();
    }
  });
  for (const [one, other] of [
    [client, server],
    [server, client],
  ] as const) {
    one.on('error', () => {});
    // A silent link keeps the end of one side from the other: that is what makes it half-open.
    one.once('close', () => {
      if (!silent) other.destroy();
    });
  }
  return { cut };
}

type Delay = (bytes: Buffer, ms: number) => void;

/** Writes bytes later, and never before those that came earlier. */
function createDelay(write: (bytes: Buffer) => void): Delay {
  let last: Promise<unknown> | null = null;
  return (bytes, ms) => {
    if (last === null && ms === 0) {
      write(bytes);
      return;
    }
    const turn = Promise.all([last, sleep(ms)]).then(() => {
      write(bytes);
      if (last === turn) last = null;
    });
    last = turn;
  };
}
