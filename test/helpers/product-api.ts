import { expect, onTestFinished } from 'vitest';
import { openApiServers } from '../../api/server.ts';
import { startApi } from '../../api/start.ts';
import { EVENT_TYPES } from '../../domain/events.ts';
import { type Environment, loadConfig } from '../../platform/config.ts';
import { createMetrics } from '../../platform/metrics.ts';
import { recordingLogger } from '../unit/platform/recording-logger.ts';

/** The API on a free port, for as long as the test takes. */
export async function openApi(env: Environment) {
  const config = loadConfig({ ...env, API_PORT: '0' }, EVENT_TYPES);
  const logger = recordingLogger();
  const { servers, closing } = openApiServers(config, logger);
  const api = await startApi(config, servers, { logger, metrics: createMetrics() });
  onTestFinished(async () => {
    await api.close();
    for (const { run } of closing) await run();
  });
  return { port: api.port, logger };
}

/** The API beside the processes of a product. */
export async function openProductApi(env: Record<string, string>) {
  const { port, logger } = await openApi(env);

  async function ask(method: string, path: string, body?: unknown, operator = 'ann'): Promise<Response> {
    return fetch(`http://127.0.0.1:${port}/api/v1/crm-ingestion${path}`, {
      method,
      headers: { 'x-operator': operator, ...(body !== undefined && { 'content-type': 'application/json' }) },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
  }

  return {
    ask,
    logger,
    /** @returns the body of an answer that must have this status */
    async answer(status: number, method: string, path: string, body?: unknown): Promise<unknown> {
      const response = await ask(method, path, body);
      const answered: unknown = await response.json();
      expect(response.status, JSON.stringify(answered)).toBe(status);
      return answered;
    },
  };
}
