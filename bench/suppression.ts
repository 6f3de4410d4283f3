// What the suppression list costs each event: decoded events through the checks that a lane makes of them, with an empty
// list and with long ones. Needs no server.
//
//   node bench/suppression.ts
import { deliverDecoded, type IngestRules } from '../activities/ingest.ts';
import { fixedLateWindow } from '../activities/late-policies.ts';
import type { LogRecord, SuppressionList } from '../activities/ports.ts';
import { createSuppressionList } from '../activities/suppression.ts';
import { EVENT_TYPES, type WireEvent } from '../domain/events.ts';
import {
  createIdentifierHash,
  emailIdentifier,
  type Identifier,
  organizationIdentifier,
  recordIdentifier,
} from '../domain/suppression.ts';
import { spreadOf } from './statistics.ts';

const EVENTS = 100_000;
const LISTED = 100_000;
const ROUNDS = 5;
const NOW = Date.UTC(2026, 10, 20);

const identifiers = createIdentifierHash('a key of the benchmark, of 32 characters or more');
const many = (make: (index: number) => Identifier) => Array.from({ length: LISTED }, (_, index) => make(index));
const organizations = many((index) => organizationIdentifier(`gone-${index}`));
const addresses = many((index) => emailIdentifier(`gone-${index}@example.com`));
const records = many((index) => recordIdentifier('org-1', 'lead', `gone-${index}`));

const lists = {
  'nobody was erased': await listOf([]),
  '100,000 organizations': await listOf(organizations),
  '100,000 addresses': await listOf(addresses),
  '100,000 addresses and as many records': await listOf([...addresses, ...records]),
};

const record: LogRecord = { offset: 0, timestamp: NOW, key: null, value: Buffer.from('-'), headers: [] };
const events = Array.from({ length: EVENTS }, (_, index) => eventOf(index));
const took = new Map<string, number[]>(Object.keys(lists).map((name) => [name, []]));
for (let round = 0; round <= ROUNDS; round += 1) {
  for (const [name, list] of Object.entries(lists)) {
    const microseconds = measure(list);
    if (round > 0) took.get(name)?.push(microseconds); // the first is for the compiler
  }
}
const base = spreadOf(took.get('nobody was erased') ?? []).median;
console.log('| list | µs for each event | of that without anybody |\n| --- | ---: | ---: |');
for (const [name, all] of took) {
  const { median } = spreadOf(all);
  console.log(`| ${name} | ${median.toFixed(2)} | ${(median / base).toFixed(2)} |`);
}

/** @returns microseconds for each event */
function measure(suppression: SuppressionList): number {
  const rules: IngestRules = {
    eventTypes: new Set(EVENT_TYPES),
    entityOfTopic: new Map(),
    late: fixedLateWindow(730 * 86_400_000),
    suppression,
  };
  const began = performance.now();
  for (const event of events) {
    const { kind } = deliverDecoded(record, 'crm.leads', { ok: true, event, schemaId: 1 }, rules, NOW);
    if (kind !== 'stage') throw new Error(`an event is ${kind}`);
  }
  return ((performance.now() - began) * 1_000) / EVENTS;
}

async function listOf(listed: readonly Identifier[]): Promise<SuppressionList> {
  const added = listed.map((identifier) => ({
    kind: identifier.kind,
    hash: identifiers.hash(identifier),
    keyId: identifiers.keyId,
  }));
  const list = createSuppressionList({ since: async () => ({ version: 1, added }) }, identifiers);
  await list.refresh();
  return list;
}

function eventOf(index: number): WireEvent {
  const organizationId = `org-${index % 1_000}`;
  return {
    eventId: `event-${index}`,
    eventType: 'lead.created',
    organizationId,
    timestamp: NOW - 1_000,
    metadata: { source: 'crm', version: '1', correlationId: null },
    entity: 'lead',
    data: {
      id: `lead-${index}`,
      firstName: 'Ada',
      lastName: 'Lovelace',
      email: `ada.${index}@example.com`,
      phone: null,
      company: 'Analytical Engines',
      title: null,
      source: 'web',
      status: 'new',
      score: 7,
      assignedTo: null,
      createdAt: NOW - 2_000,
      updatedAt: NOW - 1_500,
      organizationId,
    },
  };
}
