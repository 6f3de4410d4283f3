import type { StagedContact, StagedLead, StagedOpportunity } from './staging.ts';
import { unitAt } from './text.ts';

type Unhashed<T> = Omit<T, 'contentHash' | 'formerHash' | 'eventId' | 'metadata'>;

/** What an event says, apart from which delivery of it says so. */
export type Content = Unhashed<StagedLead> | Unhashed<StagedContact> | Unhashed<StagedOpportunity>;

// Two lanes of 32 bits with a multiplier and a rotation each, so that no change leaves both as they were but by chance.
const HIGH_FACTOR = 0x9e3779b1 | 0;
const LOW_FACTOR = 0x85ebca77 | 0;
const HIGH_SEED = 0x243f6a88;
const LOW_SEED = 0x13198a2e;

// What begins a column; a text begins with its length, which is never negative.
const NULL = -1;
const NUMBER = -2;

const TWO_TO_32 = 2 ** 32;
/** Of the high lane: with the low one 53 bits, the most that a safe integer has. */
const HIGH_BITS = 0x1f_ffff;

let high = 0;
let low = 0;

/**
 * 53 bits of a hash of an event's type, organization, time and data columns, for a PostgreSQL bigint. Equal content
 * gives equal numbers, whatever the metadata: that is how a delivery of a known event id is told to be a duplicate or a
 * conflict. Fast instead of cryptographic, since who forges equal numbers gains nothing: either way the delivery is
 * skipped, only what it is called differs.
 *
 * The numbers live as long as the ledger, so neither they nor the order of the columns ever change. A column that is
 * added later goes to the end, and only while it is not null, so that the events from before keep their numbers.
 */
export function contentHash(content: Content): number {
  high = HIGH_SEED;
  low = LOW_SEED;
  text(content.eventType);
  text(content.organizationId);
  number(content.eventTimestamp);
  number(content.createdAt);
  number(content.updatedAt);
  switch (content.entity) {
    case 'lead':
      text(content.leadId);
      text(content.firstName);
      text(content.lastName);
      text(content.email);
      text(content.phone);
      text(content.company);
      text(content.title);
      text(content.source);
      text(content.status);
      number(content.score);
      text(content.assignedTo);
      break;
    case 'contact':
      text(content.contactId);
      text(content.firstName);
      text(content.lastName);
      text(content.email);
      text(content.phone);
      text(content.company);
      text(content.title);
      text(content.leadId);
      break;
    case 'opportunity':
      text(content.opportunityId);
      text(content.name);
      text(content.leadId);
      text(content.contactId);
      text(content.amount);
      text(content.currency);
      text(content.stage);
      number(content.probability);
      number(content.expectedCloseDate);
      break;
  }
  return (avalanche(high) & HIGH_BITS) * TWO_TO_32 + (avalanche(low) >>> 0);
}

function word(value: number): void {
  high = Math.imul(((high << 5) | (high >>> 27)) ^ value, HIGH_FACTOR);
  low = Math.imul(((low << 13) | (low >>> 19)) ^ value, LOW_FACTOR);
}

/** Two characters a word. */
function text(value: string | null): void {
  if (value === null) {
    word(NULL);
    return;
  }
  const { length } = value;
  const paired = length & ~1;
  word(length);
  // The lanes as variables of its own: they stay in registers.
  let a = high;
  let b = low;
  for (let at = 0; at < paired; at += 2) {
    const pair = unitAt(value, at) | (unitAt(value, at + 1) << 16);
    a = Math.imul(((a << 5) | (a >>> 27)) ^ pair, HIGH_FACTOR);
    b = Math.imul(((b << 13) | (b >>> 19)) ^ pair, LOW_FACTOR);
  }
  high = a;
  low = b;
  if (paired < length) word(unitAt(value, paired));
}

/** @param value a safe integer */
function number(value: number | null): void {
  if (value === null) {
    word(NULL);
    return;
  }
  word(NUMBER);
  word(Math.floor(value / TWO_TO_32));
  word(value | 0);
}

/** Spreads every bit over all of the others, as the last step of MurmurHash3. */
function avalanche(value: number): number {
  let mixed = value;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return mixed ^ (mixed >>> 16);
}
