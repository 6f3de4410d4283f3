// Into tables that hold millions of rows already. Each round writes other events, since the full tables keep what they
// get: they grow by some hundredths from round to round.
import { requireDisk } from '../disk.ts';
import { type Environment, OURS, prepareOurs } from '../environment.ts';
import type { Topics } from '../events/topics.ts';
import type { Closing } from '../servers.ts';
import type { Case, Dimension, OpenDimension } from './dimension.ts';
import { FILLED_BYTES, type Filling, fillTables, warmIndexes } from './fill.ts';
import type { Reading } from './ingest-once.ts';
import { shaped } from './shapes.ts';

const DAY_MS = 86_400_000;
const MILLION = 1_000_000;
/** What PostgreSQL may keep of its WAL, and the topics. */
const OTHER_DISK_BYTES = 20e9;

type Kind = Pick<Filling, 'events' | 'tables'> & { name: string; inDetail?: boolean };

const NOTE =
  'the events of one round after the other are those that come next: later than what is there, in the order of their ' +
  'times. As many are written between the checkpoint and what is measured, since the first change of a page after a ' +
  'checkpoint writes the whole page, and then vacuumed, since autovacuum comes to empty tables later than what is ' +
  'measured there; not so where the line says "right after a checkpoint". "In no order" are events whose times lie ' +
  'anywhere in the seven days. Before each case, also that of empty tables, the buffers are filled: with the indexes of ' +
  'the largest tables, then with those of the case, where they would be had its rows just been written.';

export const rows: OpenDimension = (environment, log, closing) =>
  filled(
    environment,
    'rows',
    `Events that the ledger, the staging tables and the events log hold before, of the six days before the last one; ${NOTE}`,
    [
      { name: '1 million', events: MILLION, tables: 'all' },
      { name: '10 million', events: 10 * MILLION, tables: 'all', inDetail: true },
    ],
    log,
    closing,
  );

export const large: OpenDimension = (environment, log, closing) =>
  filled(
    environment,
    'large',
    `Events that the ledger holds before; the other tables hold what was written here; ${NOTE}`,
    [{ name: '50 million in the ledger', events: 50 * MILLION, tables: 'ledger' }],
    log,
    closing,
  );

async function filled(
  environment: Environment,
  name: string,
  note: string,
  kinds: readonly Kind[],
  log: (line: string) => void,
  closing: Closing,
): Promise<Dimension> {
  const { databases, settings, servers, signal } = environment;
  const bytes = kinds.reduce((sum, { events, tables }) => sum + events * FILLED_BYTES[tables], 0);
  await requireDisk(servers.DATABASE_URL, bytes + OTHER_DISK_BYTES, log);
  const { events, now } = settings;
  /** The tables are filled up to here; what is measured is later. */
  const to = now - DAY_MS;
  const topicsOf = eventsOfRounds(environment, { name, from: to }, log, closing);
  const common = { events, fresh: events, workers: 1 };

  /** Of the largest tables. */
  let fullest = '';
  /** Where buffers are free, as after a start, new pages cost less; a server that has run for a day has none. */
  async function fillBuffers(databaseUrl: string): Promise<void> {
    for (const url of new Set([fullest, databaseUrl])) await warmIndexes(url);
  }

  const cases: Case[] = [];
  for (const { name: kind, inDetail = false, ...filling } of kinds) {
    let databaseUrl = '';
    const template = `filled_${filling.tables}_${filling.events}`;
    log(`filling tables with ${kind} …`);
    await databases.template(template, async (url) => {
      databaseUrl = url;
      fullest = url;
      await prepareOurs(url, settings);
      await fillTables(url, { ...filling, from: settings.from, to }, signal);
    });
    const full = (label: string, topics: (round: number) => Promise<Pick<Reading, 'topics' | 'before'>>): Case => ({
      name: label,
      async prepare(round) {
        const reading = { ...common, databaseUrl, ...(await topics(round)) };
        await fillBuffers(databaseUrl);
        return reading;
      },
    });
    cases.push(
      full(kind, async (round) => ({
        before: await topicsOf(round, 'before'),
        topics: await topicsOf(round, 'measured'),
      })),
    );
    if (!inDetail) continue;
    cases.push(
      full(`${kind}, and ids that grow with time (UUIDv7)`, async (round) => ({
        before: await topicsOf(round, 'before', true),
        topics: await topicsOf(round, 'measured', true),
      })),
      full(`${kind}, right after a checkpoint`, async (round) => ({
        topics: await topicsOf(round, 'after a checkpoint'),
      })),
      full(`${kind}, right after a checkpoint and in no order`, async (round) => ({
        topics: await topicsOf(round, 'in no order'),
      })),
    );
  }
  const empty: Case = {
    name: 'empty tables',
    async prepare(round) {
      const databaseUrl = await databases.fresh(OURS);
      const topics = await topicsOf(round, 'measured');
      await fillBuffers(databaseUrl);
      return { ...common, databaseUrl, topics };
    },
  };
  return { name, note, cases: [empty, ...cases] };
}

/** In the order in which they lie in a round's share of the time. */
const IN_ORDER = ['before', 'after a checkpoint', 'measured'] as const;
type Part = (typeof IN_ORDER)[number] | 'in no order';

/** What the time has room for; further rounds begin with its first share again. */
const ROUNDS = 10;

/**
 * The topics of each round, made when they are asked for first. Those in order lie one behind the other from `from` on,
 * each in a share of the time as long as any other's.
 */
function eventsOfRounds(
  environment: Environment,
  { name, from }: { name: string; from: number },
  log: (line: string) => void,
  closing: Closing,
): (round: number, part: Part, growingIds?: boolean) => Promise<Topics> {
  const { now } = environment.settings;
  const days = (now - from) / DAY_MS / (ROUNDS * IN_ORDER.length);

  function make(label: string, round: number, part: Part, growingIds: boolean): Promise<Topics> {
    if (part === 'in no order') return shaped(environment, label, { seed: label, inOrder: false }, log, closing);
    const share = (round % ROUNDS) * IN_ORDER.length + IN_ORDER.indexOf(part) + 1;
    const shape = { inOrder: true, days, now: from + share * days * DAY_MS, growingIds };
    return shaped(environment, label, { seed: label, ...shape }, log, closing);
  }

  const made = new Map<string, Promise<Topics>>();
  return (round, part, growingIds = false) => {
    const label = `${name}${round}-${part.replaceAll(' ', '-')}${growingIds ? '-growing-ids' : ''}`;
    const found = made.get(label) ?? make(label, round, part, growingIds);
    made.set(label, found);
    return found;
  };
}
