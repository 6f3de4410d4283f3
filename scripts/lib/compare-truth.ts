/** Holds what the product wrote against the truth of what was sent. Pure: rows in, findings out. */
import { type FailureCode, statusOf } from '../../domain/failures.ts';
import type { Coordinates, Expected, ExpectedDelivery } from './truth.ts';

/** The product's rows about the same stretch of the log. */
export interface Found {
  /** The ledger's coordinates beside each staged row; null without a row in the ledger. */
  staged: Array<{ eventId: string; entity: string; at: Coordinates | null }>;
  /** The events log. */
  logged: Array<Coordinates & { status: string }>;
  /** Failed events. */
  failed: Array<Coordinates & { status: string; code: string }>;
  /** Parts of the log, [from, to), whose records of an unknown schema wait in Kafka. */
  parked: Array<Omit<Coordinates, 'offset'> & { from: number; to: number }>;
}

/** Each finding in words, with event ids or coordinates; all three are empty when all is well. */
export interface Verdict {
  /** Sent and not there. */
  lost: string[];
  /** There more than once. */
  doubled: string[];
  /** There, but not as it should be, or without having been sent. */
  wrong: string[];
}

export function compareWithTruth(expected: Expected, found: Found): Verdict {
  const verdict: Verdict = { lost: [], doubled: [], wrong: [] };
  if (expected.vanished > 0) verdict.lost.push(`${expected.vanished} records that Kafka acknowledged and lost itself`);
  const logged = Map.groupBy(found.logged, placeOf);
  const sound = expected.deliveries.filter((delivery) => delivery.is === 'sound');
  const invalid = expected.deliveries.filter((delivery) => delivery.is === 'invalid');
  compareStaged(sound, expected, found, verdict);
  compareDeliveries(sound, logged, verdict);
  compareFailed(invalid, found, logged, verdict);
  findUnknown(expected, found, verdict);
  return verdict;
}

type Sound = Extract<ExpectedDelivery, { is: 'sound' }>;
type Invalid = Extract<ExpectedDelivery, { is: 'invalid' }>;
type Logged = Map<string, Found['logged']>;

const placeOf = ({ topic, incarnation, partition, offset }: Coordinates) =>
  `${topic}#${incarnation}[${partition}]@${offset}`;

/** Every event once, in the table of its entity, and by one of its deliveries. */
function compareStaged(sound: readonly Sound[], { foreign }: Expected, { staged }: Found, verdict: Verdict): void {
  const rows = Map.groupBy(staged, ({ eventId }) => eventId);
  const deliveries = Map.groupBy(sound, ({ eventId }) => eventId);
  for (const [eventId, sent] of deliveries) {
    const [row, ...more] = rows.get(eventId) ?? [];
    if (row === undefined) verdict.lost.push(`event ${eventId}, sent as ${sent.map(placeOf).join(' and ')}`);
    else if (more.length > 0) verdict.doubled.push(`event ${eventId} has ${more.length + 1} staged rows`);
    else if (row.entity !== sent[0]?.entity) verdict.wrong.push(`event ${eventId} is staged as a ${row.entity}`);
    else if (!sent.some((delivery) => row.at !== null && placeOf(delivery) === placeOf(row.at))) {
      verdict.wrong.push(`event ${eventId} has a row in the ledger that names none of its deliveries`);
    }
  }
  const elsewhere = new Set(foreign.map(placeOf));
  for (const { eventId, at } of staged) {
    if (!deliveries.has(eventId) && (at === null || !elsewhere.has(placeOf(at)))) {
      verdict.wrong.push(`event ${eventId} is staged, but was never sent`);
    }
  }
}

/** One row of the events log for every delivery; of one event's deliveries one is processed and the others skipped. */
function compareDeliveries(sound: readonly Sound[], logged: Logged, verdict: Verdict): void {
  for (const [eventId, deliveries] of Map.groupBy(sound, (delivery) => delivery.eventId)) {
    const statuses = deliveries
      .map((delivery) => loggedStatus(delivery, logged, verdict))
      .filter((one) => one !== null);
    const processed = statuses.filter((status) => status === 'processed').length;
    if (processed > 1) verdict.doubled.push(`event ${eventId} was processed ${processed} times`);
    const odd = statuses.filter((status) => status !== 'processed' && status !== 'skipped');
    if (odd.length > 0 || (processed === 0 && statuses.length > 0)) {
      verdict.wrong.push(`event ${eventId} has deliveries that are ${statuses.join(', ')}`);
    }
  }
}

/** Every invalid delivery is kept as a failed event; those of an unknown schema may wait in Kafka, in a parked range. */
function compareFailed(invalid: readonly Invalid[], found: Found, logged: Logged, verdict: Verdict): void {
  const rows = Map.groupBy(found.failed, placeOf);
  for (const delivery of invalid) {
    if (delivery.code === 'unknown_schema' && found.parked.some((range) => covers(range, delivery))) continue;
    const place = placeOf(delivery);
    const kept = rows.get(place) ?? [];
    if (kept.length === 0) verdict.lost.push(`invalid delivery ${place} (${delivery.code})`);
    if (kept.length > 1) verdict.doubled.push(`${place} has ${kept.length} failed events`);
    for (const { status, code } of kept) {
      if (code !== delivery.code) verdict.wrong.push(`${place} failed as ${code}, expected ${delivery.code}`);
      if (!mayBe(delivery.code, status)) verdict.wrong.push(`${place} (${code}) is ${status}`);
    }
    const status = loggedStatus(delivery, logged, verdict);
    if (status !== null && !mayBe(delivery.code, status)) verdict.wrong.push(`${place} is logged as ${status}`);
  }
}

function covers(
  { from, to, ...range }: Found['parked'][number],
  { topic, incarnation, partition, offset }: Coordinates,
) {
  return (
    range.topic === topic &&
    range.incarnation === incarnation &&
    range.partition === partition &&
    from <= offset &&
    offset < to
  );
}

/** What can be tried again waits as failed, and is dead once its tries are used up. */
function mayBe(code: FailureCode, status: string): boolean {
  return status === 'dead' || status === statusOf(code);
}

/** The status of a delivery's only row; null where there is none or more than one, which is told. */
function loggedStatus(delivery: ExpectedDelivery, logged: Logged, verdict: Verdict): string | null {
  const [row, ...more] = logged.get(placeOf(delivery)) ?? [];
  if (row === undefined) verdict.lost.push(`delivery ${placeOf(delivery)} has no row in the events log`);
  if (more.length > 0)
    verdict.doubled.push(`delivery ${placeOf(delivery)} has ${more.length + 1} rows in the events log`);
  return row === undefined || more.length > 0 ? null : row.status;
}

function findUnknown({ deliveries, foreign }: Expected, found: Found, verdict: Verdict): void {
  const known = new Set([...deliveries, ...foreign].map(placeOf));
  const invalid = new Set(deliveries.filter(({ is }) => is === 'invalid').map(placeOf));
  const theirs = new Set(foreign.map(placeOf));
  for (const row of found.logged) {
    if (!known.has(placeOf(row))) verdict.wrong.push(`${placeOf(row)} is logged, but the log has no such record`);
  }
  for (const row of found.failed) {
    const place = placeOf(row);
    if (!invalid.has(place) && !theirs.has(place)) {
      verdict.wrong.push(`${place} is a failed event (${row.code}), but was sent sound`);
    }
  }
}
