import { describe, expect, it } from 'vitest';
import { observePositionMirror } from '../../../adapters/observe/position-mirror.ts';
import { createMetrics } from '../../../platform/metrics.ts';
import { recordingLogger } from '../platform/recording-logger.ts';

const POSITIONS = [
  { topic: 'crm.leads', partition: 0, offset: 5 },
  { topic: 'crm.leads', partition: 1, offset: 6 },
];

describe('a mirror', () => {
  it('is counted, and its trouble is one line at the start and one at the end', async () => {
    const metrics = createMetrics();
    const logger = recordingLogger();
    let down = false;
    const mirror = observePositionMirror(
      {
        publish: async () => {
          if (down) throw new Error('group can not be joined');
        },
        close: async () => {},
      },
      metrics,
      logger,
    );
    await mirror.publish(POSITIONS);
    down = true;
    await expect(mirror.publish(POSITIONS)).rejects.toThrow('group can not be joined');
    await expect(mirror.publish(POSITIONS)).rejects.toThrow('group can not be joined');
    down = false;
    await mirror.publish(POSITIONS);

    const text = await metrics.registry.metrics();
    expect(text).toContain('crm_positions_mirrored_total 4');
    expect(text).toContain('crm_mirror_failures_total 2');
    expect(logger.lines.map(({ level }) => level)).toEqual(['warn', 'info']);
  });
});
