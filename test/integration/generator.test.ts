import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { LogRecord } from '../../activities/ports.ts';
import { createKafkaAdmin } from '../../adapters/kafka/admin.ts';
import { createEventDecoder } from '../../adapters/registry/index.ts';
import { createTestTopics, testKafka, testRegistry } from '../helpers/lane-harness.ts';
import { newReader, openSession, readAll, recordsOf } from './kafka-harness.ts';

const SCRIPT = fileURLToPath(new URL('../../scripts/generate-crm-events.ts', import.meta.url));

interface Outcome {
  exitCode: number;
  ids: string[];
  errors: string;
}

/** Runs the script in a folder of its own, so that no .env of the project is read. */
async function createGenerator(topics: Record<'events' | 'leads' | 'contacts' | 'opportunities', string>) {
  const dir = await mkdtemp(path.join(tmpdir(), 'generate-'));
  onTestFinished(() => rm(dir, { recursive: true }));

  const run = (args: readonly string[], env: Record<string, string> = {}) =>
    new Promise<Outcome>((resolve) => {
      const options = {
        cwd: dir,
        env: {
          ...process.env,
          NODE_ENV: 'development',
          CRM_EVENTS_TOPIC: topics.events,
          CRM_LEADS_TOPIC: topics.leads,
          CRM_CONTACTS_TOPIC: topics.contacts,
          CRM_OPPORTUNITIES_TOPIC: topics.opportunities,
          ...env,
        },
      };
      execFile(process.execPath, [SCRIPT, ...args], options, (error, stdout, stderr) => {
        const exitCode = typeof error?.code === 'number' ? error.code : error === null ? 0 : -1;
        resolve({ exitCode, ids: stdout.split('\n').slice(0, -1), errors: stderr });
      });
    });

  /** Everything that the topics hold now. */
  async function sent(): Promise<LogRecord[]> {
    const reader = newReader(testKafka());
    const bounds = await reader.bounds(await reader.partitions(Object.values(topics)));
    const ranges = bounds.map(({ topic, partition, end }) => ({ topic, partition, from: 0, to: end }));
    return recordsOf(await readAll(openSession(reader, ranges)));
  }

  return { run, sent };
}

async function eventIdsOf(records: readonly LogRecord[]): Promise<string[]> {
  const decoder = createEventDecoder(testRegistry());
  const decoded = await Promise.all(records.map(({ value }) => decoder.decode(value ?? Buffer.alloc(0))));
  return decoded.flatMap((result) => (result.ok ? [result.event.eventId ?? ''] : [])).toSorted();
}

const valuesOf = (records: readonly LogRecord[]) => records.map(({ value }) => value?.toString('hex')).toSorted();

const twice = <T>(values: readonly T[]) => [...values, ...values].toSorted();

describe('generate-crm-events', () => {
  it('sends ten events, one of each type at least, and prints their ids', async () => {
    const { topics } = await createTestTopics(2);
    const { run, sent } = await createGenerator(topics);
    const { exitCode, ids, errors } = await run([]);
    expect(exitCode).toBe(0);
    expect(ids).toHaveLength(10);
    expect(await eventIdsOf(await sent())).toEqual(ids.toSorted());
    expect(errors).toContain('sent 10 events');
  });

  it('makes topics that are missing', async () => {
    const suffix = path.basename(await mkdtemp(path.join(tmpdir(), 'topics-')));
    const topics = {
      events: `${suffix}.e`,
      leads: `${suffix}.l`,
      contacts: `${suffix}.c`,
      opportunities: `${suffix}.o`,
    };
    onTestFinished(() => createKafkaAdmin(testKafka()).deleteTopics(Object.values(topics)));
    const { run, sent } = await createGenerator(topics);
    expect(await run(['3', '--quiet'])).toMatchObject({ exitCode: 0, errors: '' });
    expect(await sent()).toHaveLength(3);
    expect(await newReader(testKafka()).partitions(Object.values(topics))).toHaveLength(24);
  });

  it('sends the very same events again from a file, the invalid ones too', async () => {
    const { topics } = await createTestTopics(2);
    const { run, sent } = await createGenerator(topics);
    const first = await run(['200', '--invalid', '30', '--duplicates', '5', '--save', 'events']);
    expect(first.exitCode).toBe(0);
    const before = await sent();
    expect(before).toHaveLength(235);
    expect(first.ids).toHaveLength(200);

    const again = await run(['--resend', 'events', '--rate', '2000']);
    expect(again).toMatchObject({ exitCode: 0, ids: first.ids });
    const after = await sent();
    expect(after).toHaveLength(235 + 230);
    // Duplicates are the same bytes: without them, each value is there twice.
    const values = [...new Set(valuesOf(before))];
    expect([...new Set(valuesOf(after))]).toEqual(values);
  });

  it('sends the very same events again for the same seed', async () => {
    const { topics } = await createTestTopics();
    const { run, sent } = await createGenerator(topics);
    const args = ['50', '--seed', 'again', '--organizations', '2', '--days', '3'];
    const first = await run(args);
    const values = valuesOf(await sent());
    expect((await run(args)).ids).toEqual(first.ids);
    expect(valuesOf(await sent())).toEqual(twice(values));
    expect((await run(['50', '--seed', 'another'])).ids).not.toEqual(first.ids);
  });

  it.each([
    ['a count that is none', ['ten'], {}, 'whole numbers from 0 on'],
    ['a file and a seed at once', ['--resend', 'x', '--seed', 'y'], {}, "'--seed <text>'"],
    ['a file and a count at once', ['5', '--resend', 'x'], {}, 'leave the count out'],
    ['a file that is missing', ['--resend', 'nowhere'], {}, "nowhere can't be opened (ENOENT)"],
    ['a bad variable', ['1'], { KAFKA_BROKERS: 'nowhere' }, 'KAFKA_BROKERS is "nowhere"'],
    ['Kafka away', ['1'], { KAFKA_BROKERS: '127.0.0.1:1' }, 'look at KAFKA_BROKERS'],
    ['the registry away', ['1'], { SCHEMA_REGISTRY_URL: 'http://127.0.0.1:1' }, 'look at SCHEMA_REGISTRY_URL'],
  ])('says in a sentence what to mend: %s', async (_, args, env, sentence) => {
    const { topics } = await createTestTopics();
    const { run, sent } = await createGenerator(topics);
    const { exitCode, ids, errors } = await run(args, env);
    expect({ exitCode, ids }).toEqual({ exitCode: 1, ids: [] });
    expect(errors).toContain(sentence);
    expect(errors).not.toContain('    at ');
    expect(await sent()).toEqual([]);
  });
});
