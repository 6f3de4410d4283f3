// Into tables that know none, half or all of the events: sent again by their source, so from other offsets.
import pg from 'pg';
import { prepareOurs } from '../environment.ts';
import type { Case, OpenDimension } from './dimension.ts';
import { ingestOnce } from './ingest-once.ts';
import { base, shaped } from './shapes.ts';

const TABLES = ['crm_event_ledger', 'crm_leads_staging', 'crm_contacts_staging', 'crm_opportunities_staging'];

export const duplicates: OpenDimension = async (environment, log, closing) => {
  const { databases, settings, backlog, signal } = environment;
  const { events } = settings;
  const before = await shaped(environment, 'before', {}, log, closing);

  async function template(name: string, forget: (url: string) => Promise<number>): Promise<number> {
    signal.throwIfAborted();
    log(`making a database that knows ${name} of the events …`);
    let forgotten = 0;
    await databases.template(name, async (databaseUrl) => {
      await prepareOurs(databaseUrl, settings);
      await ingestOnce(environment, { topics: before, databaseUrl, events, fresh: events, workers: 1 });
      forgotten = await forget(databaseUrl);
    });
    return forgotten;
  }

  const known = (name: string, from: string, fresh: number): Case => ({
    name,
    prepare: async () => ({
      topics: backlog.topics,
      databaseUrl: await databases.fresh(from),
      events,
      fresh,
      workers: 1,
    }),
  });
  const half = await template('half', forgetHalf);
  await template('all', async () => 0);
  return {
    name: 'duplicates',
    note: 'Share of the events that are known already, sent again by their source.',
    cases: [base(environment, 'none known'), known('50 % known', 'half', half), known('100 % known', 'all', 0)],
  };
};

/** @returns how many events are not known any more */
async function forgetHalf(databaseUrl: string): Promise<number> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    let forgotten = 0;
    for (const table of TABLES) {
      const { rowCount } = await client.query(`DELETE FROM analytics.${table} WHERE hashtext(event_id::text) & 1 = 0`);
      if (table === 'crm_event_ledger') forgotten = rowCount ?? 0;
      await client.query(`VACUUM (FULL, ANALYZE) analytics.${table}`); // as if they had never been there
    }
    return forgotten;
  } finally {
    await client.end();
  }
}
