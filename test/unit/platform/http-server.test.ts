import { afterEach, describe, expect, it } from 'vitest';
import { createHealth } from '../../../platform/health.ts';
import type { Listening } from '../../../platform/http-server.ts';
import { createMetrics } from '../../../platform/metrics.ts';
import { startMetricsServer } from '../../../platform/metrics-server.ts';
import { recordingLogger } from './recording-logger.ts';

const open: Listening[] = [];
afterEach(async () => {
  for (const server of open.splice(0)) await server.close();
});

async function start(port: number, down = false): Promise<string> {
  const check = async () => {
    if (down) throw new Error('down');
  };
  const server = await startMetricsServer(
    { host: '127.0.0.1', port, tls: null },
    {
      metrics: createMetrics(),
      logger: recordingLogger(),
      health: createHealth({ database: { needed: true, check } }, { logger: recordingLogger() }),
    },
  );
  open.push(server);
  return `http://127.0.0.1:${server.port}`;
}

describe('the metrics server', () => {
  it('serves metrics and health', async () => {
    const url = await start(0);
    const metrics = await fetch(`${url}/metrics`);
    expect(metrics.headers.get('content-type')).toContain('text/plain; version=0.0.4');
    expect(await metrics.text()).toContain('crm_lane_stalled 0');
    expect((await fetch(`${url}/health`)).status).toBe(200);
  });

  it('tells readiness from liveness', async () => {
    const url = await start(0, true);
    expect((await fetch(`${url}/health`)).status).toBe(503);
    expect((await fetch(`${url}/health/live`)).status).toBe(200);
  });

  it('says what to do when its port is taken', async () => {
    const { port } = new URL(await start(0));
    await expect(start(Number(port))).rejects.toThrow(
      `can't listen on 127.0.0.1:${port}: another process listens there: stop it or choose another port`,
    );
  });
});
