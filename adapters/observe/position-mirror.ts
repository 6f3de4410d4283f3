import type { PositionMirror } from '../../activities/ports.ts';
import type { Logger } from '../../platform/logger.ts';
import type { Metrics } from '../../platform/metrics.ts';

/** Counts what a mirror publishes, and logs when it begins to fail and when it works again. */
export function observePositionMirror(mirror: PositionMirror, metrics: Metrics, logger: Logger): PositionMirror {
  let failing = false;
  return {
    async publish(positions) {
      try {
        await mirror.publish(positions);
      } catch (error) {
        metrics.mirrorFailures.inc();
        if (!failing) logger.warn('positions are not mirrored to the Kafka consumer group', { error });
        failing = true;
        throw error;
      }
      metrics.positionsMirrored.inc(positions.length);
      if (failing) logger.info('positions are mirrored again');
      failing = false;
    },
    close: () => mirror.close(),
  };
}
