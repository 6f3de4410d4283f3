import { describe, expect, it } from 'vitest';
import { bindingOf } from '../../activities/job-binding.ts';
import { produce } from '../helpers/lane-harness.ts';
import { wireLead } from '../helpers/wire-leads.ts';
import { createRetryHarness } from './retries-harness.ts';

const SOON = { timeout: 30_000, interval: 50 };

/** Offsets of what is in the topic. */
const AT = { own: 0, others: 1, unreadable: 2, tombstone: 3 };

const NOTHING = { outcome: 'nothing-there', detail: 'There is no message for you at this offset.' };

async function setUp() {
  const harness = await createRetryHarness();
  const { client, topics, schemaIds, queue } = harness;
  const lead = (id: string, organization: string) => wireLead(schemaIds.leads, id, { organization });
  await produce(client, [
    { topic: topics.leads, partition: 0, key: null, value: lead('own', 'org-a') },
    { topic: topics.leads, partition: 0, key: null, value: lead('others', 'org-b') },
    { topic: topics.leads, partition: 0, key: null, value: Buffer.from('{"organizationId":"org-a"}') },
    { topic: topics.leads, partition: 0, key: 'gone', value: null },
  ]);
  harness.startWorker();

  async function outcomeFor(organizations: readonly string[] | null, offset: number) {
    const at = { topic: topics.leads, partition: 0, offset };
    const { jobId } = await queue.enqueue(at, 0, bindingOf(organizations));
    await expect.poll(() => queue.job(jobId), SOON).toMatchObject({ state: 'completed' });
    return (await queue.job(jobId))?.outcome;
  }
  const written = async () => [
    await harness.count('crm_leads_staging'),
    await harness.count('crm_events_log'),
    await harness.count('crm_failed_events'),
    await harness.count('crm_event_ledger'),
  ];
  return { ...harness, outcomeFor, written };
}

describe('a job of somebody who is bound to an organization', () => {
  it('ingests what is theirs, and says and writes the same nothing of all else', async () => {
    const { outcomeFor, written, inRedis } = await setUp();
    for (const offset of [AT.others, AT.unreadable, AT.tombstone]) {
      expect(await outcomeFor(['org-a'], offset), String(offset)).toEqual(NOTHING);
    }
    expect(await outcomeFor([], AT.own)).toEqual(NOTHING);
    expect(await written()).toEqual([0, 0, 0, 0]);
    expect(await outcomeFor(['org-z', 'org-a'], AT.own)).toEqual({ outcome: 'processed' });
    expect(await written()).toEqual([1, 1, 0, 1]);
    expect(await inRedis()).not.toMatch(/org-[abz]/u);
  });

  it('hears nothing of what became of others, which all of the installation does', async () => {
    const { outcomeFor, written } = await setUp();
    expect(await outcomeFor(null, AT.others)).toEqual({ outcome: 'processed' });
    expect(await outcomeFor(null, AT.unreadable)).toMatchObject({ outcome: 'dead', code: 'bad_magic_byte' });
    expect(await outcomeFor(null, AT.tombstone)).toEqual({ outcome: 'tombstone' });
    const before = await written();
    for (const offset of [AT.others, AT.unreadable, AT.tombstone]) {
      expect(await outcomeFor(['org-a'], offset), String(offset)).toEqual(NOTHING);
    }
    expect(await written()).toEqual(before);
    expect(await outcomeFor(['org-b'], AT.others)).toMatchObject({ outcome: 'skipped', reason: 'reread' });
  });

  it('retries a failed event that is theirs, and none of others', async () => {
    const { outcomeFor, failedEvents, failLeads } = await setUp();
    await failLeads(['own']); // of org-1
    expect(await outcomeFor(['org-a'], AT.own)).toEqual(NOTHING);
    expect(await failedEvents()).toMatchObject([{ status: 'failed', attempts: 0 }]);
    expect(await outcomeFor(['org-1'], AT.own)).toEqual({ outcome: 'processed' });
    expect(await failedEvents()).toMatchObject([{ status: 'resolved', settledAs: 'processed' }]);
    expect(await outcomeFor(['org-a'], AT.own)).toEqual(NOTHING);
    expect(await outcomeFor(['org-1'], AT.own)).toEqual({ outcome: 'skipped', reason: 'settled' });
  });
});
