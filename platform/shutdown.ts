/** Ordered shutdown: stop taking in, let what is under way finish, close connections, flush the log. */
import type { EventEmitter } from 'node:events';
import type { Logger } from './logger.ts';

export interface ShutdownStep {
  name: string;
  run(): Promise<unknown> | unknown;
}

/**
 * Runs the steps one after the other, together within `graceMs`. A step that fails does not keep the next from running;
 * the one that is under way when the time is up is abandoned together with the rest.
 * @returns whether every step ended well and in time
 */
export async function shutDown(
  steps: readonly ShutdownStep[],
  options: { graceMs: number; logger: Logger },
): Promise<boolean> {
  const { graceMs, logger } = options;
  const late = Promise.withResolvers<'late'>();
  const timer = setTimeout(() => late.resolve('late'), graceMs);
  let clean = true;
  try {
    for (const step of steps) {
      const started = performance.now();
      const outcome = await Promise.race([attempt(step), late.promise]);
      const fields = { step: step.name, durationMs: Math.round(performance.now() - started) };
      if (outcome === 'late') {
        logger.error('shutdown step ran out of time; what is left is abandoned', { ...fields, graceMs });
        return false;
      }
      if (outcome === 'done') {
        logger.info('shutdown step done', fields);
      } else {
        clean = false;
        logger.error('shutdown step failed', { ...fields, error: outcome });
      }
    }
    return clean;
  } finally {
    clearTimeout(timer);
  }
}

async function attempt(step: ShutdownStep): Promise<'done' | Error> {
  try {
    await step.run();
    return 'done';
  } catch (error) {
    return error instanceof Error ? error : new Error('a step threw something that is no error');
  }
}

const SIGNALS = ['SIGTERM', 'SIGINT'] as const;

/**
 * Begins the shutdown at the first SIGTERM or SIGINT and ends the process: with 0 after a clean one, else with 1. A
 * second signal ends it at once with 1.
 * @param end `drain` is the whole shutdown; `flush` comes after it in any case and hands the last log lines over
 */
export function shutDownOnSignal(
  end: { drain: () => Promise<boolean>; flush: () => Promise<void> },
  options: { logger: Logger; source?: EventEmitter; exit?: (code: number) => void },
): void {
  const { logger } = options;
  const source = options.source ?? process;
  const exit = options.exit ?? ((code: number) => process.exit(code));
  let draining = false;
  const onSignal = async (signal: NodeJS.Signals) => {
    if (draining) {
      logger.warn('second signal: ending at once', { signal });
      exit(1);
      return;
    }
    draining = true;
    logger.info('shutting down', { signal });
    const clean = await end.drain();
    logger.info('shutdown ended', { clean });
    await end.flush();
    exit(clean ? 0 : 1);
  };
  for (const signal of SIGNALS) source.on(signal, (name: NodeJS.Signals) => void onSignal(name));
}
