// The stack itself. The servers of the shared instance are only looked at: other tests use them at the same time.
import { readFile, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { afterAll, describe, expect, it } from 'vitest';
import * as stack from '../../stack/index.ts';

const shared = { name: 'test', log: () => {} };
/** An instance of its own, for what may be stopped. */
const own = { name: 'stack-test', portOffset: 21_000, postgresVersion: '12', log: () => {} };

const MINUTES = 60_000;

describe('an instance that runs', () => {
  it(
    'is left alone by another up, which says where it is',
    async () => {
      const first = await stack.up(shared);
      const pids = (await stack.status(shared)).map(({ pid }) => pid);

      const start = performance.now();
      expect(await stack.up(shared)).toEqual(first);
      expect(performance.now() - start).toBeLessThan(20_000);

      expect((await stack.status(shared)).map(({ pid }) => pid)).toEqual(pids);
      expect(await stack.environment(shared)).toEqual(first);
    },
    10 * MINUTES,
  );

  it('reports each server as up, with its address', async () => {
    const env = await stack.up(shared);
    const all = await stack.status(shared);
    expect(all.map(({ name, up }) => [name, up])).toEqual(stack.SERVERS.map((name) => [name, true]));
    expect(all.find(({ name }) => name === 'kafka')?.address).toBe(env.KAFKA_BROKERS);
  });

  it("runs Kafka's own tools", async () => {
    const { KAFKA_BROKERS } = await stack.up(shared);
    const topic = `stack-test-${crypto.randomUUID()}`;
    const tool = (className: string, ...args: string[]) =>
      stack.kafkaTool(`org.apache.kafka.tools.${className}`, ['--bootstrap-server', KAFKA_BROKERS, ...args], shared);

    await tool('TopicCommand', '--create', '--topic', topic, '--partitions', '3');
    expect(await tool('TopicCommand', '--describe', '--topic', topic)).toContain('PartitionCount: 3');
    await tool('TopicCommand', '--delete', '--topic', topic);
    await expect(tool('consumer.group.ConsumerGroupCommand', '--no-such-option')).rejects.toThrow('no-such-option');
  });
});

describe('an instance of its own', () => {
  afterAll(() => stack.down(own, { wipe: true }));

  it(
    'keeps schema ids through a crash of the registry',
    async () => {
      const { SCHEMA_REGISTRY_URL } = await stack.up(own, ['registry']);
      const register = async (field: string): Promise<unknown> => {
        const schema = JSON.stringify({ type: 'record', name: 'R', fields: [{ name: field, type: 'string' }] });
        const response = await fetch(`${SCHEMA_REGISTRY_URL}/subjects/${field}-value/versions`, {
          method: 'POST',
          headers: { 'content-type': 'application/vnd.schemaregistry.v1+json' },
          body: JSON.stringify({ schema }),
        });
        return response.json();
      };
      const before = [await register('one'), await register('two')];
      await stack.restart('registry', own, { signal: 'SIGKILL' });
      expect([await register('one'), await register('two')]).toEqual(before);
    },
    5 * MINUTES,
  );

  it(
    'starts PostgreSQL 12 and brings it and Redis back after a crash, with another process id',
    async () => {
      const pids = async () => (await stack.status(own)).filter(({ up }) => up).map(({ name, pid }) => [name, pid]);
      await stack.up(own, ['postgres', 'redis']);
      const before = await pids();
      await stack.restart('postgres', own, { signal: 'SIGKILL' });
      await stack.restart('redis', own, { signal: 'SIGKILL' });
      const after = await pids();
      expect(after.map(([name]) => name)).toEqual(before.map(([name]) => name));
      expect(after).not.toEqual(before);
    },
    5 * MINUTES,
  );

  it('refuses another PostgreSQL version than the one that runs', async () => {
    await stack.up(own, ['postgres']);
    await expect(stack.up({ ...own, postgresVersion: '18' }, ['postgres'])).rejects.toThrow(
      'PostgreSQL 12 runs in instance stack-test, PostgreSQL 18 is asked for',
    );
  });

  it('names server, port and variable when a port is taken', async () => {
    await stack.up(own, ['redis']);
    const rival = { ...own, name: 'stack-test-rival' };
    await expect(stack.up(rival, ['redis'])).rejects.toThrow(
      'port 27379 for redis is in use by another program: set REDIS_PORT to another port, or REDIS_URL',
    );
    await stack.down(rival, { wipe: true });
  });

  it('shows the end of the log of a server that dies while starting', async () => {
    const broken = { ...own, name: 'stack-test-broken', portOffset: 22_000 };
    await stack.up(broken, ['redis']);
    const { logFile } = (await stack.status(broken)).find(({ name }) => name === 'redis') ?? {};
    await stack.down(broken);
    const dump = `${logFile?.replace(/server\.log$/, '')}data/dump.rdb`;
    await writeFile(dump, 'no dump at all');
    await expect(stack.up(broken, ['redis'])).rejects.toThrow(/redis died while starting\. The end of .*server\.log/);
    expect(await readFile(logFile ?? '', 'utf8')).toContain('Wrong signature');
    await stack.down(broken, { wipe: true });
  });
});

describe("Temporal's test server", () => {
  it('skips thirty days in a moment when told to, and keeps to the clock otherwise', async () => {
    const path = await stack.temporalTestServer(() => {});
    const environment = await TestWorkflowEnvironment.createTimeSkipping({
      server: { executable: { type: 'existing-path', path } },
    });
    const days = async () => Math.round((await environment.currentTimeMs()) / (24 * 60 * MINUTES));
    try {
      const today = await days();
      await environment.sleep('30 days');
      expect((await days()) - today).toBe(30);
      // Were skipping not locked from the start, the server would now jump to the time-out of this workflow.
      await environment.client.workflow.start('nobodyRunsIt', {
        taskQueue: 'nobody',
        workflowId: crypto.randomUUID(),
        workflowExecutionTimeout: '90 days',
      });
      await sleep(1_000);
      expect((await days()) - today).toBe(30);
    } finally {
      await environment.teardown();
    }
  }, 300_000);
});
