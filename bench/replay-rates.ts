// How fast the whole backlog is replayed, beside how fast it was ingested first.
import type pg from 'pg';
import { readBooks } from './contestants/books.ts';
import type { Environment } from './environment.ts';
import { type Bench, ingest, topicsOf, withWorker } from './replay-worker.ts';
import { rotate } from './rounds.ts';

/** Events per second. */
export type Rates = Record<'first' | 'known' | 'unknown', number>;

/** Each round begins with another: the first ingestion and a replay where nothing is known both begin with empty tables. */
export function measureRates(environment: Environment, round: number): Promise<Rates> {
  return withWorker(environment, async (bench) => {
    const rates: Rates = { first: 0, known: 0, unknown: 0 };
    for (const way of rotate(['first', 'unknown'] as const, round)) {
      await empty(bench.database);
      await environment.databases.checkpoint();
      rates[way] = way === 'first' ? await ingest(bench) : await replay(bench, 'stored');
      if (rates.known === 0) {
        await environment.databases.checkpoint();
        rates.known = await replay(bench, 'skipped');
      }
    }
    return rates;
  });
}

/** What was read stays known to the chain alone. */
async function empty(database: pg.Client): Promise<void> {
  await database.query(`TRUNCATE analytics.crm_event_ledger, analytics.crm_events_log, analytics.crm_leads_staging,
    analytics.crm_contacts_staging, analytics.crm_opportunities_staging`);
}

/** @throws Error when not every event came to what it should have */
async function replay({ environment, database, api }: Bench, outcome: 'stored' | 'skipped'): Promise<number> {
  const { settings, backlog } = environment;
  const { replayId } = await api.request({
    mode: 'missing',
    lanes: settings.lanes,
    ratePerSecond: null,
    topics: topicsOf(environment),
  });
  await api.untilFinished(replayId);
  const books = await readBooks(database, replayId);
  if (books[outcome] !== backlog.events) {
    throw new Error(
      `${books[outcome]} of ${backlog.events} events were ${outcome}; a figure for it would mean nothing`,
    );
  }
  return books.events / books.seconds;
}
