import { expect, it } from 'vitest';
import { inKafka, reasonsToRemember } from '../../../activities/maintenance-ledger.ts';

const DAY_MS = 86_400_000;
const week = { topic: 'crm.leads', retentionMs: 7 * DAY_MS, compacted: false };

it('the ledger may forget what Kafka no longer has, a week later', () => {
  expect(reasonsToRemember(14, ['crm.leads'], [week])).toEqual([]);
  expect(reasonsToRemember(13, ['crm.leads'], [week])).toEqual([
    'topic crm.leads needs LEDGER_KEEP_DAYS of 14 or more',
  ]);
});

it('and nothing while a log may bring it again at any time', () => {
  const endless = { ...week, topic: 'crm.events', retentionMs: null };
  const compacted = { ...week, topic: 'crm.contacts', compacted: true };
  const topics = ['crm.leads', 'crm.events', 'crm.contacts', 'file:s3://bucket/leads.ndjson'];
  expect(reasonsToRemember(36_500, topics, [week, endless, compacted])).toEqual([
    '1 files were read, which can be read again at any time',
    'topic crm.events keeps its records for ever',
    'topic crm.contacts is compacted and keeps the last record of each key for ever',
  ]);
  expect(inKafka(topics)).toEqual(['crm.leads', 'crm.events', 'crm.contacts']);
});
