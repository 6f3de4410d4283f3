import { expect, it, onTestFinished } from 'vitest';
import { allowEveryone } from '../../api/principal.ts';
import { listen } from '../../platform/http-server.ts';
import { createTestApp, PREFIX } from '../unit/api/app-under-test.ts';
import { createRetryHarness } from './retries-harness.ts';

const BOARD = `${PREFIX}/board`;
const ENTERED = { authorization: 'Bearer let-me-in' };

/** The API on a port, behind a door that asks for a token. */
async function served() {
  const harness = await createRetryHarness();
  const { app } = createTestApp({
    queue: harness.queue,
    boards: [harness.queue.board()],
    authenticate: async (c, next) =>
      c.req.header('authorization') === ENTERED.authorization
        ? await allowEveryone(false)(c, next)
        : c.text('who are you?', 401),
  });
  const listening = await listen(app.fetch, { host: '127.0.0.1', port: 0 });
  onTestFinished(() => listening.close());
  const url = `http://127.0.0.1:${listening.port}`;
  const request = (path: string, init: RequestInit = {}) =>
    fetch(`${url}${path}`, { ...init, headers: { ...ENTERED, connection: 'close' } });
  return { ...harness, url, request };
}

it('shows the queue with its page, its files and its jobs', async () => {
  const { request, failLeads, queue } = await served();
  await queue.addDue(await failLeads(['a']));
  const page = await request(BOARD);
  expect(page.status).toBe(200);
  expect(page.headers.get('content-security-policy')).toMatch(/^default-src 'none'; script-src 'self';/);
  const html = await page.text();
  expect(await (await request(`${BOARD}/queue/crm-ingestion-retries`)).text()).toBe(html);
  expect(html).toContain(`<base href="${BOARD}/" />`);
  const [, script] = /<script defer src="([^"]+)"/.exec(html) ?? [];
  const file = await request(`${BOARD}/${script}`);
  expect(file.status).toBe(200);
  expect(file.headers.get('content-type')).toContain('javascript');
  const queues = await request(`${BOARD}/api/queues?activeQueue=crm-ingestion-retries&status=waiting`);
  expect(queues.status).toBe(200);
  const listed = await queues.text();
  expect(JSON.parse(listed)).toMatchObject({ queues: [{ name: 'crm-ingestion-retries', counts: { waiting: 1 } }] });
  expect(listed).not.toContain('example.com');
});

it('is closed to whoever is not let in', async () => {
  const { url } = await served();
  for (const path of [BOARD, `${BOARD}/`, `${BOARD}/api/queues`, `${BOARD}/static/js/main.js`]) {
    const response = await fetch(`${url}${path}`, { headers: { connection: 'close' } });
    expect(response.status, path).toBe(401);
  }
});

it('runs a job before its time when asked to, and lets nothing be lost or stopped', async () => {
  const { request, failLeads, queue } = await served();
  const [retry] = await failLeads(['a']);
  await queue.addDue([{ ...retry!, dueAt: Date.now() + 3_600_000 }]);
  const jobs = `${BOARD}/api/queues/crm-ingestion-retries`;
  for (const path of [
    'pause',
    'empty',
    'obliterate',
    `failed-${retry!.failedId}-0/clean`,
    'clean/delayed',
    'clean/retry',
    'add',
  ]) {
    const response = await request(`${jobs}/${path}`, { method: 'PUT' });
    expect(response.status, path).toBe(409);
  }
  expect(await queue.depth()).toMatchObject({ delayed: 1 });
  const promoted = await request(`${jobs}/failed-${retry!.failedId}-0/promote`, { method: 'PUT' });
  expect(promoted.status).toBeLessThan(300);
  expect(await queue.depth()).toMatchObject({ waiting: 1, delayed: 0 });
});
