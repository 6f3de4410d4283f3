// Into tables that hold millions of rows already. Each round writes other events, since the full tables keep what they
// get: they grow by some thousandths from round to round.
import { requireDisk } from '../disk.ts';
import { type Environment, OURS, prepareOurs } from '../environment.ts';
import type { Closing } from '../servers.ts';
import type { Case, Dimension, OpenDimension } from './dimension.ts';
import { type Filling, fillTables } from './fill.ts';
import { shaped } from './shapes.ts';
import type { Topics } from './topics.ts';

const MILLION = 1_000_000;
/** Measured, with indexes and some room. */
const BYTES_PER_EVENT: Record<Filling['tables'], number> = { all: 1_300, ledger: 300 };
/** What PostgreSQL may keep of its WAL, and the topics. */
const OTHER_DISK_BYTES = 8e9;

type Kind = Pick<Filling, 'events' | 'tables'> & { name: string };

export const rows: OpenDimension = (environment, log, closing) =>
  filled(
    environment,
    'rows',
    'Events that the ledger, the staging tables and the events log hold before.',
    [
      { name: '1 million', events: MILLION, tables: 'all' },
      { name: '10 million', events: 10 * MILLION, tables: 'all' },
    ],
    log,
    closing,
  );

export const large: OpenDimension = (environment, log, closing) =>
  filled(
    environment,
    'large',
    'Events that the ledger holds before; the other tables are empty.',
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
  const bytes = kinds.reduce((sum, { events, tables }) => sum + events * BYTES_PER_EVENT[tables], 0);
  await requireDisk(servers.DATABASE_URL, bytes + OTHER_DISK_BYTES, log);
  const topicsOf = onceARound((round) =>
    shaped(environment, `${name}${round}`, { seed: `${name}/${round}` }, log, closing),
  );
  const { events } = settings;

  const cases: Case[] = [];
  for (const kind of kinds) {
    let databaseUrl = '';
    const template = `filled_${kind.tables}_${kind.events}`;
    log(`filling tables with ${kind.name} …`);
    await databases.template(template, async (url) => {
      databaseUrl = url;
      await prepareOurs(url, settings);
      await fillTables(url, { ...kind, from: settings.from, to: settings.now }, signal);
    });
    cases.push({
      name: kind.name,
      prepare: async (round) => ({ topics: await topicsOf(round), databaseUrl, events, fresh: events, workers: 1 }),
    });
  }
  const empty: Case = {
    name: 'empty tables',
    prepare: async (round) => ({
      topics: await topicsOf(round),
      databaseUrl: await databases.fresh(OURS),
      events,
      fresh: events,
      workers: 1,
    }),
  };
  return { name, note, cases: [empty, ...cases] };
}

function onceARound(make: (round: number) => Promise<Topics>): (round: number) => Promise<Topics> {
  const made = new Map<number, Promise<Topics>>();
  return (round) => {
    const found = made.get(round) ?? make(round);
    made.set(round, found);
    return found;
  };
}
