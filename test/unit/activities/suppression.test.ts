import { describe, expect, it } from 'vitest';
import { deliverDecoded } from '../../../activities/ingest.ts';
import { fixedLateWindow } from '../../../activities/late-policies.ts';
import { StaleSuppressionError, type SuppressionList } from '../../../activities/ports.ts';
import {
  byCurrentList,
  createSuppressionList,
  NOBODY,
  SuppressionKeyError,
  type SuppressionSource,
} from '../../../activities/suppression.ts';
import { EVENT_TYPES } from '../../../domain/events.ts';
import { formerContentHash } from '../../../domain/former-content-hash.ts';
import type { StagedEvent } from '../../../domain/staging.ts';
import {
  createIdentifierHash,
  emailIdentifier,
  type Identifier,
  organizationIdentifier,
  recordIdentifier,
  tokenOf,
} from '../../../domain/suppression.ts';
import { opportunity as stagedOpportunity } from '../../helpers/batches.ts';
import { contact, DAY_MS, lead, opportunity, RECORDED } from '../domain/sound.ts';

const identifiers = createIdentifierHash('a key of the tests');

/** A source that has these identifiers, those after the first in later versions. */
function sourceOf(...listed: Identifier[]): SuppressionSource & { asked: number[] } {
  const asked: number[] = [];
  return {
    asked,
    since: async (version) => {
      asked.push(version);
      const added = listed.slice(version).map((identifier) => ({
        kind: identifier.kind,
        hash: identifiers.hash(identifier),
        keyId: identifiers.keyId,
      }));
      return { version: listed.length, added };
    },
  };
}

async function listOf(...listed: Identifier[]) {
  const list = createSuppressionList(sourceOf(...listed), identifiers);
  await list.refresh();
  return list;
}

describe('the suppression list', () => {
  it('hides nobody while it is empty', async () => {
    const list = await listOf();
    expect(list.version).toBe(0);
    expect(list.hides(lead())).toBe(false);
  });

  it('hides by address, whatever the case, leads and contacts alike', async () => {
    const list = await listOf(emailIdentifier('Zoe@Example.com'));
    expect(list.hides(lead({ email: 'ZOE@example.com ' }))).toBe(true);
    expect(list.hides(contact())).toBe(true);
    expect(list.hides(lead({ email: 'other@example.com' }))).toBe(false);
    expect(list.hides(opportunity())).toBe(false);
  });

  it('hides records of one organization, or of any', async () => {
    const list = await listOf(
      recordIdentifier('org-1', 'lead', 'lead-1'),
      recordIdentifier(null, 'contact', 'contact-1'),
    );
    expect(list.hides(lead())).toBe(true);
    expect(list.hides(lead({ organizationId: 'org-2' }, { organizationId: 'org-2' }))).toBe(false);
    expect(list.hides(contact({ organizationId: 'org-2' }, { organizationId: 'org-2' }))).toBe(true);
    expect(list.hides(contact({ id: 'lead-1' }))).toBe(false);
  });

  it('hides an organization, by whichever of the two an event states, also when asked often', async () => {
    const list = await listOf(organizationIdentifier('org-2'));
    for (let times = 0; times < 3; times += 1) {
      expect(list.hides(opportunity({ organizationId: 'org-2' }))).toBe(true);
      expect(list.hides(opportunity({}, { organizationId: 'org-2' }))).toBe(true);
      expect(list.hides(opportunity())).toBe(false);
    }
  });

  it('forgets what it remembered of an organization when the list has changed', async () => {
    const listed = [emailIdentifier('nobody@example.com')];
    const list = createSuppressionList({ since: (version) => sourceOf(...listed).since(version) }, identifiers);
    await list.refresh();
    listed.push(organizationIdentifier('org-1'));
    expect(list.hides(opportunity())).toBe(false);
    await list.refresh();
    expect(list.hides(opportunity())).toBe(true);
    expect(list.version).toBe(2);
  });

  it('asks for what is new alone', async () => {
    const source = sourceOf(emailIdentifier('zoe@example.com'));
    const list = createSuppressionList(source, identifiers);
    await list.refresh();
    await list.refresh();
    expect(source.asked).toEqual([0, 1]);
    expect(list.hides(lead())).toBe(true);
  });

  it('puts tokens in the place of links to erased records', async () => {
    const erased = recordIdentifier('org-1', 'contact', 'contact-1');
    const list = await listOf(erased);
    const event = stagedOpportunity('a', { leadId: 'contact-1', contactId: 'contact-1' });
    const token = tokenOf(identifiers.hash(erased));
    expect(list.unlink(event)).toEqual({ ...event, contactId: token, formerHash: formerContentHash(event) });
    expect(list.unlink(stagedOpportunity('b', { contactId: 'contact-1', organizationId: 'org-2' }))).toMatchObject({
      contactId: 'contact-1',
    });
  });

  it('has them stored so by everything that delivers, under the hash of the event as it came', async () => {
    const deliver = (suppression: SuppressionList) =>
      deliverDecoded(
        { offset: 0, timestamp: RECORDED, key: null, value: Buffer.from('-'), headers: [] },
        'crm.contacts',
        { ok: true, event: contact(), schemaId: 1 },
        {
          eventTypes: new Set(EVENT_TYPES),
          entityOfTopic: new Map(),
          late: fixedLateWindow(730 * DAY_MS),
          suppression,
        },
        RECORDED,
      );
    const before = deliver(NOBODY);
    const after = deliver(await listOf(recordIdentifier('org-1', 'lead', 'lead-1')));
    expect(before).toMatchObject({ kind: 'stage', event: { leadId: 'lead-1' } });
    const { event } = before as { event: StagedEvent };
    const hashes = { contentHash: event.contentHash, formerHash: formerContentHash(event) };
    expect(after).toMatchObject({ kind: 'stage', event: { leadId: expect.stringMatching(/^erased-/), ...hashes } });
  });

  it.each([
    ['without a key', null],
    ['with another key', createIdentifierHash('another')],
  ])('refuses to be read %s, and stays at its version', async (_, other) => {
    const list = createSuppressionList(sourceOf(emailIdentifier('zoe@example.com')), other);
    await expect(list.refresh()).rejects.toThrow(SuppressionKeyError);
    expect(list.version).toBe(0);
  });
});

describe('work by the current list', () => {
  it('is done again by the list as it is when it has changed meanwhile', async () => {
    const list = createSuppressionList(sourceOf(emailIdentifier('zoe@example.com')), identifiers);
    const versions: number[] = [];
    const result = await byCurrentList(list, async (version) => {
      versions.push(version);
      if (version < 1) throw new StaleSuppressionError();
      return 'done';
    });
    expect(result).toBe('done');
    expect(versions).toEqual([0, 1]);
  });
});
