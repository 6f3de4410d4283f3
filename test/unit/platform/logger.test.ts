import { Writable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { PERSONAL_FIELDS } from '../../../domain/pii-columns.ts';
import { createLogger, type Fields, type LogLevel } from '../../../platform/logger.ts';

/** A stream that keeps what is written, and takes its time like a full pipe. */
function slowStream() {
  const chunks: string[] = [];
  const stream = new Writable({
    decodeStrings: false,
    write(chunk, _encoding, done) {
      setImmediate(() => {
        chunks.push(String(chunk));
        done();
      });
    },
  });
  return { stream, lines: () => chunks.join('').split('\n').filter(Boolean) };
}

async function logged(level: LogLevel, log: (logger: ReturnType<typeof createLogger>) => void) {
  const { stream, lines } = slowStream();
  const logger = createLogger({ level, service: 'test', stream });
  log(logger);
  await logger.close();
  return lines().map((line) => JSON.parse(line) as Record<string, unknown>);
}

async function fieldsOf(fields: Fields): Promise<Record<string, unknown>> {
  const [line] = await logged('info', (logger) => logger.info('x', fields));
  return line!;
}

describe('a line', () => {
  it('is JSON with time, level, message, service and fields', async () => {
    const [line] = await logged('info', (logger) => logger.info('slice ended', { rows: 5 }));
    expect(line).toEqual({
      timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
      level: 'info',
      message: 'slice ended',
      service: 'test',
      rows: 5,
    });
  });

  it('keeps its own keys whatever the fields are called', async () => {
    expect(await fieldsOf({ message: 'other', level: 'error', service: 'other' })).toMatchObject({
      message: 'x',
      level: 'info',
      service: 'test',
    });
  });

  it('carries the fields of its context, its own winning', async () => {
    const [first, second] = await logged('info', (logger) => {
      const lane = logger.child({ run: 'r', lane: 1 });
      lane.child({ topic: 't' }).info('x', { lane: 2 });
      lane.info('y');
    });
    expect(first).toMatchObject({ run: 'r', lane: 2, topic: 't' });
    expect(second).toMatchObject({ run: 'r', lane: 1 });
    expect(second).not.toHaveProperty('topic');
  });
});

it('leaves out lines below its level', async () => {
  const lines = await logged('warn', (logger) => {
    logger.error('e');
    logger.warn('w');
    logger.info('i');
    logger.debug('d');
  });
  expect(lines.map((line) => line.message)).toEqual(['e', 'w']);
});

it('has handed every line over when it is closed', async () => {
  const lines = await logged('info', (logger) => {
    for (let i = 0; i < 1_000; i += 1) logger.info('line', { i });
  });
  expect(lines.map((line) => line.i)).toEqual(Array.from({ length: 1_000 }, (_, i) => i));
});

describe('errors', () => {
  it('are logged by name, message and code, without what they carry', async () => {
    const error = Object.assign(new Error('refused'), { code: '23505', detail: 'Key (email)=(ann@example.com)' });
    expect((await fieldsOf({ error })).error).toEqual({ name: 'Error', message: 'refused', code: '23505' });
  });

  it('show where they were thrown at level error, without repeating the message there', async () => {
    const [line] = await logged('error', (logger) => logger.error('x', { error: new Error('at the end\n    at ann') }));
    const { at } = line!.error as { at: string[] };
    expect(at.join()).toContain('logger.test.ts');
  });

  it('show their causes', async () => {
    const error = new Error('outer', { cause: Object.assign(new Error('inner'), { code: 'ECONNREFUSED' }) });
    expect(await fieldsOf({ error })).toMatchObject({ error: { cause: { message: 'inner', code: 'ECONNREFUSED' } } });
  });
});

describe('redaction', () => {
  it.each([
    'password',
    'KAFKA_PASSWORD',
    'clientSecret',
    'Authorization',
    'set-cookie',
    'apiKey',
    'email',
    'email_address',
    'phone',
    'firstName',
    'last_name',
    'data',
    'payload',
    'value',
  ])('hides what stands under %s, however deep', async (key) => {
    const text = JSON.stringify(
      await fieldsOf({ [key]: 'ann@example.com', at: { a: [{ [key]: { x: 'ann@example.com' } }] } }),
    );
    expect(text).not.toContain('ann@example.com');
  });

  it('keeps counts and flags under such a name', async () => {
    expect(await fieldsOf({ rows: 5, values: 3, tokenExpired: true })).toMatchObject({
      rows: 5,
      values: 3,
      tokenExpired: true,
    });
  });

  it.each(['connecting to postgres://ann:hunter2@db:5432/crm', 'redis://:hunter2@redis', 'host=db password=hunter2'])(
    'masks credentials in a text: %s',
    async (text) => {
      const lines = await logged('info', (logger) => logger.info(text, { url: text, error: new Error(text) }));
      expect(JSON.stringify(lines)).not.toContain('hunter2');
    },
  );

  it('never writes bytes', async () => {
    expect(await fieldsOf({ bytes: Buffer.from('ann@example.com') })).toMatchObject({ bytes: '[15 bytes]' });
  });
});

describe('odd values', () => {
  it('do not break a line', async () => {
    const circular: Record<string, unknown> = {};
    circular.self = circular;
    const line = await fieldsOf({ big: 2n ** 64n, circular, at: new Date(0), long: 'x'.repeat(10_000) });
    expect(line.big).toBe('18446744073709551616');
    expect(line.at).toBe('1970-01-01T00:00:00.000Z');
    expect(JSON.stringify(line).length).toBeLessThan(4_000);
  });
});

describe('personal data', () => {
  const logPersonal = async (fields: Fields) => {
    const { stream, lines } = slowStream();
    const logger = createLogger({ level: 'info', service: 'test', personal: PERSONAL_FIELDS, stream });
    logger.info('x', fields);
    await logger.close();
    return lines().join('');
  };

  it.each(PERSONAL_FIELDS)('of the catalogue is hidden under its name: %s', async (field) => {
    const column = field.replaceAll(/[A-Z]/gu, (letter) => `_${letter.toLowerCase()}`);
    expect(await logPersonal({ [field]: 'Ada', deep: { [column]: 'Ada' } })).not.toContain('Ada');
  });

  it('is no reason to hide anything else', async () => {
    expect(await logPersonal({ topicName: 'crm.leads', step: 'database pool' })).toContain('"topicName":"crm.leads"');
  });

  it.each([
    'ada@example.com',
    'row for <ada.lovelace+crm@mail.example.co.uk>',
    'Key (email)=(ada@example.com) exists',
    'jürgen.ada@exämple.de',
    `${'x'.repeat(1_990)} ada@example.com`,
    `${'x'.repeat(3_990)} ada@example.com`,
  ])('is hidden in texts where it is an address: %s', async (text) => {
    const lines = await logged('info', (logger) => logger.info(text, { reason: text, error: new Error(text) }));
    expect(JSON.stringify(lines)).not.toContain('ada');
  });

  it.each(['user@host', 'at 2026-11-29T21:00:00Z', 'lane 1: crm.leads[0,1]', '@ 12.5'])(
    'is not seen in: %s',
    async (text) => {
      const [line] = await logged('info', (logger) => logger.info(text));
      expect(line?.message).toBe(text);
    },
  );

  it('is searched for in texts of any kind without taking long', async () => {
    const nasty = [`${'a'.repeat(100_000)}@`, '@'.repeat(100_000), `a@${'b.'.repeat(100_000)}`, 'a.'.repeat(100_000)];
    const lines = await logged('info', (logger) => {
      for (const text of nasty) logger.info(text);
    });
    expect(lines).toHaveLength(nasty.length);
  });
});
