// The servers of a run with the events that its contestants write, and a database ready for them.
import { migrate } from '../adapters/postgres/migrate.ts';
import { createPartitionsAhead } from '../adapters/postgres/partitions.ts';
import { createDatabasePool } from '../adapters/postgres/pool.ts';
import { EVENT_TYPES } from '../domain/events.ts';
import { loadConfig } from '../platform/config.ts';
import { type Backlog, type BacklogSettings, createBacklog } from './backlog.ts';
import { buildProduct } from './product.ts';
import { closingAfterwards, type ServerSettings, type Servers, withServers } from './servers.ts';

export { deleteLogs } from './servers.ts';

/** Name of the migrated template. */
export const OURS = 'ours';

const DAYS = 7;
const DAY_MS = 86_400_000;

export interface Environment extends Servers {
  backlog: Backlog;
  settings: BacklogSettings;
}

export type EnvironmentSettings = ServerSettings &
  Pick<BacklogSettings, 'events' | 'partitions'> &
  Partial<Pick<BacklogSettings, 'inOrder'>>;

/**
 * Builds the product, brings everything up, runs `work` in it and takes everything down again, also when it fails or is
 * interrupted. Lanes and batches are those of users who configure nothing.
 */
export async function withEnvironment<T>(
  { events, partitions, inOrder = true, databaseUrl, keep, log }: EnvironmentSettings,
  work: (environment: Environment) => Promise<T>,
): Promise<T> {
  const now = Date.now();
  const { lanes, batchMaxRows } = loadConfig({}, EVENT_TYPES).ingestion;
  const from = now - DAYS * DAY_MS;
  const settings: BacklogSettings = {
    events,
    partitions,
    lanes,
    batchMaxRows,
    seed: 'bench',
    from,
    days: DAYS,
    now,
    inOrder,
  };
  await buildProduct();
  return withServers({ databaseUrl, keep, log }, (servers) =>
    closingAfterwards(log, async (closing) => {
      const { databases, kafka, registry, id } = servers;
      await databases.template(OURS, (url) => prepareOurs(url, settings));
      log(`generating ${settings.events} events and sending them to Kafka${inOrder ? '' : ' in no order'} …`);
      const backlog = await createBacklog(kafka, registry, `bench-${id}`, settings);
      closing.push(() => backlog.close());
      return work({ ...servers, backlog, settings });
    }),
  );
}

/** Migrates a database and makes its partitions for so many days from `from` (epoch milliseconds). */
export async function prepareOurs(url: string, { from, days }: Pick<BacklogSettings, 'from' | 'days'>): Promise<void> {
  await migrate({ url, ca: null });
  const pool = await createDatabasePool({ url, ca: null, poolSize: 1, applicationName: 'crm-bench' });
  await createPartitionsAhead(pool, from, days, 'day');
  await pool.end();
}
