import { describe, expect, it } from 'vitest';
import { createHealth, type HealthCheck } from '../../../platform/health.ts';
import { recordingLogger } from './recording-logger.ts';

function healthOf(checks: Record<string, HealthCheck>, timeoutMs = 10_000) {
  return createHealth(checks, { logger: recordingLogger(), timeoutMs });
}

const up: HealthCheck = { needed: true, check: async () => 'fine' };

function failing(error: unknown, needed = true): HealthCheck {
  return {
    needed,
    check: async () => {
      throw error;
    },
  };
}

describe('the report', () => {
  it('is ok when all is up', async () => {
    expect(await healthOf({ database: up, redis: up }).report()).toEqual({
      status: 'ok',
      checks: {
        database: { status: 'up', needed: true, latencyMs: expect.any(Number) },
        redis: { status: 'up', needed: true, latencyMs: expect.any(Number) },
      },
    });
  });

  it('is down when something needed is', async () => {
    const report = await healthOf({ database: failing(new Error('x')), redis: up }).report();
    expect(report.status).toBe('down');
    expect(report.checks.redis?.status).toBe('up');
  });

  it('is degraded when something else is down', async () => {
    expect((await healthOf({ database: up, redis: failing(new Error('x'), false) }).report()).status).toBe('degraded');
  });

  it('gives up on a check that hangs, tells it so, and has the others all the same', async () => {
    let signal: AbortSignal | undefined;
    const hanging: HealthCheck = {
      needed: true,
      check: (given) => {
        signal = given;
        return new Promise(() => {});
      },
    };
    const report = await healthOf({ kafka: hanging, database: up }, 20).report();
    expect(report.checks.kafka).toMatchObject({ status: 'down', error: 'no answer within 20 ms' });
    expect(report.checks.database?.status).toBe('up');
    expect(signal?.aborted).toBe(true);
  });

  it('runs its checks side by side', async () => {
    const both = Promise.withResolvers<void>();
    let started = 0;
    const meeting: HealthCheck = {
      needed: true,
      check: () => {
        started += 1;
        if (started === 2) both.resolve();
        return both.promise;
      },
    };
    expect((await healthOf({ a: meeting, b: meeting }, 1_000).report()).status).toBe('ok');
  });

  it('is shared by those who ask at the same time, and made anew later', async () => {
    let runs = 0;
    const counted: HealthCheck = {
      needed: true,
      check: async () => {
        runs += 1;
      },
    };
    const health = healthOf({ a: counted });
    await Promise.all([health.report(), health.report(), health.report()]);
    expect(runs).toBe(1);
    await health.report();
    expect(runs).toBe(2);
  });
});

describe('the log', () => {
  it('has one line for each change of a server, with the whole error', async () => {
    const logger = recordingLogger();
    const error = new Error('check the path in SCHEMA_REGISTRY_URL');
    let broken = true;
    const check = async () => {
      if (broken) throw error;
    };
    const health = createHealth({ registry: { needed: true, check }, database: up }, { logger });
    await health.report();
    await health.report();
    broken = false;
    await health.report();
    await health.report();
    expect(logger.lines).toMatchObject([
      { level: 'warn', fields: { server: 'registry', error } },
      { level: 'info', fields: { server: 'registry' } },
    ]);
  });
});

describe('a server that does not let us in', () => {
  const code = (value: string) => Object.assign(new Error('of no use'), { code: value });
  const refused = 'PostgreSQL refuses the user or password: see DATABASE_URL';

  it('is reported with where to look', async () => {
    const report = await healthOf({ database: failing(code('28P01')) }).report();
    expect(report.checks.database?.error).toBe(refused);
  });

  it('is told in the log also when it was down before, once', async () => {
    const logger = recordingLogger();
    let error = code('ECONNREFUSED');
    const database: HealthCheck = { needed: true, check: () => Promise.reject(error) };
    const health = createHealth({ database }, { logger });
    await health.report();
    for (const next of ['28P01', '28P01', 'ECONNREFUSED', '28P01']) {
      error = code(next);
      await health.report();
    }
    expect(logger.lines.map(({ fields }) => fields.reason)).toEqual([undefined, refused]);
  });
});

describe('reasons', () => {
  it.each([
    [
      Object.assign(new Error('connect ECONNREFUSED 10.0.0.1:5432'), { code: 'ECONNREFUSED' }),
      'connection refused (ECONNREFUSED)',
    ],
    [
      new Error('pool', {
        cause: Object.assign(new Error('password authentication failed for ann'), { code: '28P01' }),
      }),
      'wrong user or password (28P01)',
    ],
    [Object.assign(new Error('odd'), { code: 'XX123' }), 'failed (XX123)'],
    [new TypeError('secret hunter2 in a text'), 'failed (TypeError)'],
    ['hunter2', 'failed (unknown error)'],
  ])('hold no message of a client library', async (error, reason) => {
    const report = await healthOf({ a: failing(error) }).report();
    expect(report.checks.a?.error).toBe(reason);
  });

  it('cover a check that throws before it returns a promise', async () => {
    const check: HealthCheck = {
      needed: true,
      check: () => {
        throw new RangeError('x');
      },
    };
    expect((await healthOf({ a: check }).report()).checks.a?.error).toBe('failed (RangeError)');
  });
});
