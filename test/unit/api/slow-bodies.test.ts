import { once } from 'node:events';
import { connect } from 'node:net';
import { expect, it, onTestFinished } from 'vitest';
import { problem } from '../../../api/errors.ts';
import { listen } from '../../../platform/http-server.ts';
import { createTestApp, PREFIX } from './app-under-test.ts';

const LENGTHS = {
  'of a length': 'content-length: 12\r\n\r\n{"la',
  'in pieces': 'transfer-encoding: chunked\r\n\r\n4\r\n{"la\r\n',
};

type TestApp = ReturnType<typeof createTestApp>;

/** Sends the beginning of a body over a real connection. */
async function begin(app: TestApp['app'], kind: keyof typeof LENGTHS) {
  const server = await listen(app.fetch, { host: '127.0.0.1', port: 0, requestTimeoutMs: 500 });
  onTestFinished(() => server.close());
  const socket = connect(server.port, '127.0.0.1');
  onTestFinished(() => void socket.destroy());
  socket.on('error', () => {});
  socket.write(`POST ${PREFIX}/seek HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n${LENGTHS[kind]}`);
  return socket;
}

async function statusOf({ metrics }: TestApp): Promise<unknown> {
  const answered = async () => (await metrics.httpRequestSeconds.get()).values[0]?.labels.status;
  await expect.poll(answered).toBeDefined();
  return answered();
}

it.each([
  ['of a length', 'never ends'],
  ['of a length', 'is cut off'],
  ['in pieces', 'never ends'],
  ['in pieces', 'is cut off'],
] as const)('a body %s that %s is no error of ours', async (kind, how) => {
  const test = createTestApp();
  const socket = await begin(test.app, kind);
  if (how === 'is cut off') setTimeout(() => socket.destroy(), 100);
  await once(socket.resume(), 'close');
  expect(await statusOf(test)).toBe(400);
  expect(test.logger.lines.filter(({ level }) => level !== 'debug')).toEqual([]);
});

it.each(['of a length', 'in pieces'] as const)(
  'the body %s of whoever is not let in is not waited for',
  async (kind) => {
    const test = createTestApp({ authenticate: async (c) => problem(c, 'unauthorized', 'nobody') });
    const socket = await begin(test.app, kind);
    const [answer] = await once(socket.setEncoding('latin1'), 'data');
    expect(answer).toContain('HTTP/1.1 401');
  },
);
