import { afterEach, expect, it, vi } from 'vitest';
import { createRefusals } from '../../../../api/limits/refusals.ts';
import { createMetrics } from '../../../../platform/metrics.ts';
import { recordingLogger } from '../../platform/recording-logger.ts';

afterEach(() => void vi.useRealTimers());

it('what is refused is one line a minute, and the rest at the end', async () => {
  vi.useFakeTimers();
  const [logger, metrics] = [recordingLogger(), createMetrics()];
  const refusals = createRefusals(metrics, logger);
  for (let nth = 0; nth < 1_000; nth += 1) refusals.count('authentication');
  refusals.count('connections');
  expect(logger.lines).toEqual([]);
  vi.advanceTimersByTime(60_000);
  vi.advanceTimersByTime(600_000);
  refusals.count('identity');
  refusals.close();
  refusals.close();
  expect(logger.lines.map(({ fields }) => fields)).toEqual([
    { refused: { authentication: 1_000, connections: 1 } },
    { refused: { identity: 1 } },
  ]);
  expect(await metrics.registry.getSingleMetricAsString('crm_http_refused_total')).toContain(
    'crm_http_refused_total{reason="authentication"} 1000',
  );
});
