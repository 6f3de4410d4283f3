/** Doors that speak TLS and check who comes, before the real servers of the tests, which do neither. */

import { request } from 'node:http';
import {
  connect as connectHttp2,
  createSecureServer,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
  type ServerHttp2Stream,
} from 'node:http2';
import { createServer as createHttps } from 'node:https';
import type { AddressInfo, Server, Socket } from 'node:net';
import type { Issued } from './certificates.ts';

export interface Door {
  port: number;
  shut(): Promise<void>;
}

export interface DoorOptions extends Issued {
  /** Who signed the certificates that clients must show; without it they need none. */
  clientCa?: string;
  /** The `authorization` that a request must have; without it none is asked for. */
  authorization?: string;
}

async function open(server: Server): Promise<Door> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    socket.on('error', () => {});
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    async shut() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

const certificates = ({ cert, key, clientCa }: DoorOptions) => ({
  cert,
  key,
  ...(clientCa !== undefined && { ca: clientCa, requestCert: true, rejectUnauthorized: true }),
});

/** @param behind URL of the server, whose paths stay as they are */
export function openHttpsDoor(behind: string, options: DoorOptions): Promise<Door> {
  const { hostname, port } = new URL(behind);
  const door = createHttps(certificates(options), (incoming, response) => {
    const { method, headers, url: path } = incoming;
    if (options.authorization !== undefined && headers.authorization !== options.authorization) {
      response.writeHead(401, { 'www-authenticate': 'Basic realm="registry"' }).end();
      return;
    }
    const onward = request({ hostname, port, path, method, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 500, answer.headers);
      answer.pipe(response);
    });
    incoming.pipe(onward);
  });
  return open(door);
}

const UNAUTHENTICATED = '16';

/** For gRPC. @param behind host:port of the server */
export function openGrpcDoor(behind: string, options: DoorOptions): Promise<Door> {
  const session = connectHttp2(`http://${behind}`);
  session.unref();
  session.on('error', () => {});
  const door = createSecureServer(certificates(options));
  door.on('stream', (stream, headers) => {
    stream.on('error', () => {});
    if (options.authorization !== undefined && headers.authorization !== options.authorization) {
      stream.respond(
        { ':status': 200, 'content-type': 'application/grpc', 'grpc-status': UNAUTHENTICATED },
        { endStream: true },
      );
      return;
    }
    pass(stream, session.request(forwarded(headers)));
  });
  door.on('close', () => session.destroy());
  return open(door);
}

function pass(stream: ServerHttp2Stream, onward: ReturnType<ReturnType<typeof connectHttp2>['request']>): void {
  let trailers: OutgoingHttpHeaders = {};
  onward.on('error', () => stream.destroy());
  stream.on('close', () => onward.destroy());
  onward.on('trailers', (found) => {
    trailers = forwarded(found);
  });
  onward.on('response', (headers) => {
    if (stream.destroyed) return;
    stream.respond({ ':status': headers[':status'], ...forwarded(headers) }, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers(trailers));
    onward.pipe(stream);
  });
  stream.pipe(onward);
}

/** Without what belongs to one connection, and with the request line. */
function forwarded(headers: IncomingHttpHeaders): OutgoingHttpHeaders {
  const kept = Object.entries(headers).filter(([name]) => !name.startsWith(':') || REQUEST_LINE.has(name));
  return Object.fromEntries(kept);
}

const REQUEST_LINE = new Set([':method', ':path']);
