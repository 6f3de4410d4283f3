// The process of a flood: requests over plain sockets that are kept alive, on a schedule.
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import os from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { FloodCount, FloodOrder } from './flooder.ts';

const TICK_MS = 2;
/** Waking up later than this, the flood was not what it was to be. */
const LATE_MS = 50;
/** Lower than all others', but not so low that it would not be woken. */
const PRIORITY = 10;

/** Takes one whole answer off the front of what has arrived; null while there is none. */
function takeAnswer(text: string): { status: string; rest: string } | null {
  const head = text.indexOf('\r\n\r\n');
  if (head === -1) return null;
  const length = /\r\ncontent-length: (\d+)/iu.exec(text.slice(0, head))?.[1];
  const end = length === undefined ? text.indexOf('0\r\n\r\n', head) + 5 : head + 4 + Number(length);
  if (end < head + 4 || text.length < end) return null;
  return { status: text.slice(9, 12), rest: text.slice(end) };
}

interface Line {
  send(request: string): void;
}

/** Opens connections and tells of each that may be used for the next request. */
function openLines(port: number, connections: number, count: FloodCount): Line[] {
  const idle: Line[] = [];

  function open(): void {
    const socket: Socket = connect(port, '127.0.0.1').setNoDelay(true).setEncoding('latin1');
    const line: Line = { send: (request) => void socket.write(request, 'latin1') };
    let text = '';
    socket.on('connect', () => idle.push(line));
    socket.on('data', (piece) => {
      text += piece;
      const answer = takeAnswer(text);
      if (answer === null) return;
      text = answer.rest;
      count.answered += 1;
      count.byStatus[answer.status] = (count.byStatus[answer.status] ?? 0) + 1;
      idle.push(line);
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      const at = idle.indexOf(line);
      if (at !== -1) idle.splice(at, 1);
      count.closed += 1;
      open();
    });
  }

  for (let nth = 0; nth < connections; nth += 1) open();
  return idle;
}

async function flood(order: FloodOrder, isOver: () => boolean): Promise<FloodCount> {
  const requests = order.tokens.map(
    (token) =>
      `GET ${order.path} HTTP/1.1\r\nhost: 127.0.0.1:${order.port}\r\nx-forwarded-for: 127.0.0.1\r\nauthorization: Bearer ${token}\r\n\r\n`,
  );
  const count: FloodCount = { seconds: 0, asleep: 0, sent: 0, answered: 0, byStatus: {}, closed: 0 };
  const idle = openLines(order.port, order.connections, count);
  const began = performance.now();
  let [due, woke, asleepMs] = [0, began, 0];
  while (!isOver()) {
    const now = performance.now();
    asleepMs += Math.max(0, now - woke - LATE_MS);
    woke = now;
    const dueNow = Math.floor(((now - began) / 1_000) * order.rate);
    // What finds all connections waiting for answers is not made up for later: the rate stays what it is.
    for (; due < dueNow; due += 1) {
      const line = idle.shift();
      if (line === undefined) continue;
      line.send(requests[due % requests.length] ?? '');
      count.sent += 1;
    }
    await sleep(TICK_MS);
  }
  const ms = performance.now() - began;
  return { ...count, seconds: ms / 1_000, asleep: asleepMs / ms };
}

// An attacker has machines of its own: this one's cores are left to what is measured.
os.setPriority(0, PRIORITY);
const [order] = (await once(process, 'message')) as [FloodOrder];
let over = false;
process.once('message', () => {
  over = true;
});
process.once('disconnect', () => process.exit());
const count = await flood(order, () => over);
process.send?.(count, () => process.exit());
