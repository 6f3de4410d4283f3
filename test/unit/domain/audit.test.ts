import { describe, expect, it } from 'vitest';
import {
  breakdownOf,
  concludes,
  judge,
  type LogFacts,
  type PartitionAudit,
  type Share,
} from '../../../domain/audit.ts';
import { NO_SUMS } from '../../../domain/books.ts';
import { NO_STATUSES } from '../../../domain/status-counts.ts';

const NOTHING = { shares: [], others: { ...NO_STATUSES, shares: 0 } };

/** A hundred records at the offsets 0 to 99: 90 stored, 6 skipped, 4 dead, of which one was redriven. */
function sound(over: Partial<PartitionAudit> = {}): PartitionAudit {
  return {
    topic: 'crm.leads',
    incarnation: 1,
    partition: 0,
    asked: { from: null, to: null },
    proved: { from: 0, to: 100 },
    begins: 0,
    position: 100,
    firstLogged: 0,
    breaks: [],
    jumps: [],
    chain: { ...NO_SUMS, records: 100, stored: 90, skipped: 6, dead: 4, offsets: 100 },
    replays: { ...NO_SUMS, offsets: 0 },
    neverRead: [],
    log: { ...NO_STATUSES, processed: 91, skipped: 6, dead: 3 },
    retired: { within: NO_STATUSES, maybe: NO_STATUSES },
    pruned: 0,
    failed: { ...NO_STATUSES, processed: 1, dead: 3 },
    parked: 0,
    unread: NO_STATUSES,
    missingLedger: { count: 0, offsets: [] },
    missingStaging: { count: 0, offsets: [] },
    organizations: NOTHING,
    hours: NOTHING,
    ...over,
  };
}

const KAFKA: LogFacts = { start: 0, end: 100, recount: null };
const findings = (over: Partial<PartitionAudit>, kafka: Partial<LogFacts> = {}) =>
  judge(sound(over), { ...KAFKA, ...kafka }).findings;

describe('a judgement', () => {
  it('finds nothing where every count agrees', () => {
    expect(findings({})).toEqual([]);
  });

  it.each<[string, Partial<PartitionAudit>, string]>([
    ['stored', { log: { ...sound().log, processed: 90 } }, 'stored: 91 by the first count, 90 by the second'],
    ['skipped', { log: { ...sound().log, skipped: 7 } }, 'skipped: 6 by the first count, 7 by the second'],
    ['filtered', { log: { ...sound().log, filtered: 1 } }, 'filtered: 0 by the first count, 1 by the second'],
    [
      'rejected',
      { failed: { ...NO_STATUSES, processed: 1, dead: 3, discarded: 1 }, log: { ...sound().log, discarded: 1 } },
      'rejected: 4 by the first count, 5 by the second',
    ],
    ['dead', { log: { ...sound().log, dead: 2 } }, 'dead: 3 by the first count, 2 by the second'],
    ['parked', { parked: 1 }, 'parked: 0 by the first count, 1 by the second'],
  ])('is exact on what was %s, where every offset was read once', (_, over, finding) => {
    expect(findings(over)).toEqual([finding]);
  });

  it('lets the chain have skipped more where offsets were read again, but lets nothing be stored more', () => {
    const chain = { ...sound().chain, records: 150, skipped: 56, offsets: 150 };
    expect(findings({ chain })).toEqual([]);
    expect(findings({ chain, log: { ...sound().log, skipped: 57 } })).toEqual([
      'skipped: 0 to 56 by the first count, 57 by the second',
    ]);
    expect(findings({ chain: { ...chain, stored: 91 } })).toEqual(['stored: 92 by the first count, 91 by the second']);
  });

  it('allows for messages that were enqueued, and for no more of them than there were', () => {
    const unread = { ...NO_STATUSES, processed: 2 };
    const processed = (events: number) => ({ ...sound().log, processed: events });
    expect(findings({ unread, log: processed(93) })).toEqual([]);
    expect(findings({ unread, log: processed(94) })).toEqual(['stored: 91 to 93 by the first count, 94 by the second']);
    const [stored] = judge(sound({ unread }), KAFKA).checks;
    expect(stored).toMatchObject({ name: 'stored', above: 2, why: expect.stringContaining('enqueued') });
  });

  it('counts what a replay stored, and lets it have been skipped or filtered by another reading', () => {
    const replays = { ...NO_SUMS, records: 100, stored: 2, failed: 1, skipped: 97, offsets: 100 };
    const failed = { ...sound().failed, failed: 1 };
    const log = { ...sound().log, processed: 93, failed: 1 };
    expect(findings({ replays, failed, log })).toEqual([]);
    expect(findings({ replays, failed, log: { ...log, skipped: 3 } })).toEqual([]);
    expect(findings({ replays, failed, log: { ...log, skipped: 2 } })).toEqual([
      'skipped: 3 to 6 by the first count, 2 by the second',
    ]);
    expect(findings({ replays, failed, log: { ...log, processed: 92 } })).toEqual([
      'stored: 93 by the first count, 92 by the second',
    ]);
  });

  it('counts rows of the log that retention has deleted, and allows for those at the ends of the range', () => {
    const log = { ...sound().log, processed: 40 };
    const within = { ...NO_STATUSES, processed: 51 };
    expect(findings({ log, retired: { within, maybe: NO_STATUSES } })).toEqual([]);
    expect(findings({ log: { ...log, processed: 39 }, retired: { within, maybe: NO_STATUSES } })).toEqual([
      'stored: 91 by the first count, 90 by the second',
    ]);
    const maybe = { ...NO_STATUSES, processed: 2 };
    expect(findings({ log: { ...log, processed: 38 }, retired: { within, maybe } })).toEqual([]);
    expect(findings({ log: { ...log, processed: 37 }, retired: { within, maybe } })).toEqual([
      'stored: 89 to 91 by the first count, 88 by the second',
    ]);
  });

  it('lets an id be stored again that the ledger was made to forget, where it was read again', () => {
    const chain = { ...sound().chain, stored: 91, records: 101, offsets: 101 };
    expect(findings({ chain, pruned: 1 })).toEqual([]);
    expect(findings({ chain: { ...chain, stored: 92 }, pruned: 1 })).toEqual([
      'stored: 92 to 93 by the first count, 91 by the second',
    ]);
    expect(findings({ chain: { ...sound().chain, stored: 91 }, pruned: 1 })).toEqual([
      'stored: 92 by the first count, 91 by the second',
    ]);
  });

  it('needs no Kafka for a file', () => {
    expect(judge(sound(), null)).toMatchObject({ kafka: null, findings: [] });
  });

  it('names what the chain does not cover', () => {
    expect(
      findings({
        asked: { from: 0, to: 120 },
        begins: 10,
        neverRead: [{ from: 0, to: 10 }],
        firstLogged: 5,
        breaks: [
          { kind: 'gap', from: 20, to: 30 },
          { kind: 'overlap', from: 40, to: 41 },
        ],
      }),
    ).toEqual([
      'no batch accounts for the offsets 20 up to 30',
      'two batches account for the offsets 40 up to 41',
      'the offsets 0 up to 10 were never read',
      'the offsets 100 up to 120 have not been read yet',
      'the events log has deliveries from offset 5 on, but the chain begins at 10',
    ]);
  });

  it('sees that Kafka deletes what was not read', () => {
    expect(findings({}, { start: 150, end: 200 })).toEqual([
      'Kafka has deleted the offsets 100 up to 150, which were not read yet',
    ]);
  });

  it('compares a recount only with offsets that were read once', () => {
    const recount = { from: 0, to: 100, records: 99, booked: { records: 100, offsets: 100 } };
    expect(findings({}, { recount })).toEqual([
      expect.stringContaining('Kafka has 99 records at the offsets 0 up to 100, where 100 were read then'),
    ]);
    expect(findings({}, { recount: { ...recount, booked: { records: 150, offsets: 150 } } })).toEqual([]);
  });
});

describe('a report', () => {
  const about = {
    auditId: 'id',
    consumerGroup: 'group',
    request: { topic: null, partition: null, from: null, to: null, recount: false },
    concludedAt: '2026-01-01T00:00:00.000Z',
    signedBy: null,
  };
  const identity = { name: 'stored' as const, meaning: 'm', booked: 1, counted: 1 };

  it('is clean only where its partitions and the whole are', () => {
    const clean = judge(sound(), KAFKA);
    const other = judge(sound({ parked: 1 }), KAFKA);
    expect(concludes({ ...about, identities: [identity], partitions: [clean] }).verdict).toBe('clean');
    expect(concludes({ ...about, identities: [identity], partitions: [clean, other] }).verdict).toBe('findings');
    expect(concludes({ ...about, identities: [{ ...identity, counted: 2 }], partitions: [clean] })).toMatchObject({
      verdict: 'findings',
      findings: ['stored: the books say 1, the tables hold 2'],
    });
    expect(concludes({ ...about, identities: [], partitions: [] }).verdict).toBe('findings');
  });
});

describe('a breakdown', () => {
  it('names the largest shares and loses none of the others', () => {
    const shares: Share[] = [3, 1, 2].map((processed) => ({ name: `org-${processed}`, ...NO_STATUSES, processed }));
    expect(breakdownOf(shares, 1, (a, b) => b.processed - a.processed)).toEqual({
      shares: [{ name: 'org-3', ...NO_STATUSES, processed: 3 }],
      others: { ...NO_STATUSES, processed: 3, shares: 2 },
    });
  });
});
