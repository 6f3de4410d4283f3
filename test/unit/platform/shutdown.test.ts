import { EventEmitter } from 'node:events';
import { describe, expect, it } from 'vitest';
import { type ShutdownStep, shutDown, shutDownOnSignal } from '../../../platform/shutdown.ts';
import { recordingLogger } from './recording-logger.ts';

const forever = () => new Promise<void>(() => {});

describe('the steps', () => {
  it('run one after the other', async () => {
    const order: string[] = [];
    const step = (name: string): ShutdownStep => ({
      name,
      run: async () => {
        order.push(`${name} begins`);
        await new Promise(setImmediate);
        order.push(`${name} ends`);
      },
    });
    const clean = await shutDown([step('intake'), step('pool')], { graceMs: 10_000, logger: recordingLogger() });
    expect(clean).toBe(true);
    expect(order).toEqual(['intake begins', 'intake ends', 'pool begins', 'pool ends']);
  });

  it('run on after one that fails, which is logged by its name', async () => {
    const logger = recordingLogger();
    let closed = false;
    const steps: ShutdownStep[] = [
      { name: 'worker', run: () => Promise.reject(new Error('stuck')) },
      {
        name: 'pool',
        run: () => {
          closed = true;
        },
      },
    ];
    expect(await shutDown(steps, { graceMs: 10_000, logger })).toBe(false);
    expect(closed).toBe(true);
    expect(logger.lines).toMatchObject([
      { level: 'error', fields: { step: 'worker', error: { message: 'stuck' } } },
      { level: 'info', fields: { step: 'pool' } },
    ]);
  });

  it('are abandoned when the time is up', async () => {
    const logger = recordingLogger();
    let reached = false;
    const steps: ShutdownStep[] = [
      { name: 'worker', run: forever },
      {
        name: 'pool',
        run: () => {
          reached = true;
        },
      },
    ];
    expect(await shutDown(steps, { graceMs: 10, logger })).toBe(false);
    expect(reached).toBe(false);
    expect(logger.lines).toMatchObject([{ level: 'error', fields: { step: 'worker' } }]);
  });
});

describe('signals', () => {
  function listening(drain: () => Promise<boolean>) {
    const source = new EventEmitter();
    const logger = recordingLogger();
    const exited = Promise.withResolvers<number>();
    const codes: number[] = [];
    let flushed = false;
    shutDownOnSignal(
      {
        drain,
        flush: async () => {
          flushed = true;
        },
      },
      {
        logger,
        source,
        exit: (code) => {
          codes.push(code);
          exited.resolve(code);
        },
      },
    );
    return { source, logger, exited: exited.promise, codes, flushed: () => flushed };
  }

  it.each(['SIGTERM', 'SIGINT'])('%s drains, flushes the log and exits with 0', async (signal) => {
    const process = listening(async () => true);
    process.source.emit(signal, signal);
    expect(await process.exited).toBe(0);
    expect(process.flushed()).toBe(true);
  });

  it('exit with 1 when the shutdown was not clean', async () => {
    const process = listening(async () => false);
    process.source.emit('SIGTERM', 'SIGTERM');
    expect(await process.exited).toBe(1);
  });

  it('end the process at once when a second one comes, of whatever kind', async () => {
    const process = listening(() => new Promise(() => {}));
    process.source.emit('SIGTERM', 'SIGTERM');
    expect(process.codes).toEqual([]);
    process.source.emit('SIGINT', 'SIGINT');
    expect(await process.exited).toBe(1);
  });
});
