import { randomUUID } from 'node:crypto';
import { sql } from 'slonik';
import { expect } from 'vitest';
import { z } from 'zod';
import { createErasureRequests } from '../../adapters/postgres/erasures.ts';
import { createLegalHolds } from '../../adapters/postgres/legal-holds.ts';
import { createQuotas } from '../../adapters/postgres/quotas.ts';
import { createRedrives } from '../../adapters/postgres/redrives.ts';
import { createReplays } from '../../adapters/postgres/replays.ts';
import { createRetentionRules } from '../../adapters/postgres/retention.ts';
import { API_PREFIX } from '../../scripts/lib/access-matrix.ts';
import { AUDIENCE, claimsOf, ISSUER, sign } from '../helpers/issuer.ts';
import { produce } from '../helpers/lane-harness.ts';
import { createProduct } from '../helpers/product.ts';
import { openApi } from '../helpers/product-api.ts';
import { ids, wireLead } from '../helpers/wire-leads.ts';
import { KEY } from './erasure-harness.ts';

const SECRET = 'a secret of this test alone, long enough';
const SOON = { timeout: 60_000, interval: 100 };

/** Sound events and dead letters of each organization. */
const LEADS = 3;
const LETTERS = 40;

/** Their ids, and all texts of theirs, begin with it: an answer to the one must hold nothing of the other. */
export const OURS = 'org-a';
export const THEIRS = 'canary-b';

export interface Identity {
  roles: readonly string[];
  /** `*` for the whole installation. */
  organizations: readonly string[];
  name?: string;
}

export interface Answered {
  status: number;
  text: string;
  headers: Headers;
}

/** The product with rows of two organizations, and its API over tokens. */
export async function createTenants() {
  const product = await createProduct({ partitions: 1, env: { BREAKER_PERCENT: '100', ERASURE_KEY: KEY } });
  const { pool, topics, kafka, schemaIds } = product;
  const api = await openGuardedApi(product.env);

  async function ask(as: Identity, method: string, path: string, json?: unknown): Promise<Answered> {
    const claims = claimsOf({ sub: as.name ?? 'ann', roles: as.roles, organizations: as.organizations });
    const token = await sign(Buffer.from(SECRET), claims, { alg: 'HS256', typ: 'JWT' });
    const response = await fetch(`http://127.0.0.1:${api.port}${API_PREFIX}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        ...(json !== undefined && { 'content-type': 'application/json' }),
      },
      ...(json !== undefined && { body: JSON.stringify(json) }),
    });
    return { status: response.status, text: await response.text(), headers: response.headers };
  }

  const lead = (organization: string, id: string, owner?: string) => ({
    topic: topics.leads,
    partition: 0,
    key: null,
    value: wireLead(schemaIds.leads, id, {
      organization,
      email: `${organization}@leak.example`,
      ...(owner !== undefined && { owner }),
    }),
  });
  product.startWorker();
  await product.control.start(product.settings);
  await produce(
    kafka,
    [OURS, THEIRS].flatMap((organization) => [
      ...ids(`${organization}-sound`, LEADS).map((id) => lead(organization, id)),
      // Whose the lead is, and whose the event is, must be one and the same: nothing but a correction mends that.
      ...ids(`${organization}-dead`, LETTERS).map((id) => lead(organization, id, 'somebody')),
    ]),
  );
  await expect.poll(product.statuses, SOON).toEqual({ processed: 2 * LEADS, dead: 2 * LETTERS });

  const parts = { pool, product, ask };
  return { ...product, ask, ours: await thingsOf(OURS, true, parts), theirs: await thingsOf(THEIRS, false, parts) };
}

function openGuardedApi(env: Record<string, string>) {
  return openApi({
    ...env,
    ...{ AUTH_MODE: 'jwt', AUTH_ISSUER: ISSUER, AUTH_AUDIENCE: AUDIENCE, AUTH_HS256_SECRET: SECRET },
    ...{ RATE_LIMIT_IDENTITY_PER_MINUTE: '0', RATE_LIMIT_ADDRESS_PER_MINUTE: '0', RATE_LIMIT_FAILED_PER_MINUTE: '0' },
  });
}

export type Things = Awaited<ReturnType<typeof thingsOf>>;

interface Parts {
  pool: Awaited<ReturnType<typeof createProduct>>['pool'];
  product: Awaited<ReturnType<typeof createProduct>>;
  ask(as: Identity, method: string, path: string, json?: unknown): Promise<Answered>;
}

/**
 * What an organization has.
 * @param fresh whether each that is asked for is another one, for requests that change it
 */
async function thingsOf(organizationId: string, fresh: boolean, { pool, product, ask }: Parts) {
  const { topics } = product;
  const redrives = createRedrives(pool);
  const replays = createReplays(pool, () => Promise.reject(new Error('reads nothing')));
  const erasures = createErasureRequests(pool);
  const holds = createLegalHolds(pool);
  const retention = createRetentionRules(pool);
  const text = `${organizationId}: as they say`;

  const letters = await pool.any(sql.type(z.object({ failedId: z.number(), eventId: z.string() }))`
    SELECT failed_id AS "failedId", event_id AS "eventId" FROM analytics.crm_failed_events
    WHERE organization_id = ${organizationId} ORDER BY failed_id`);
  let next = 0;
  const offset = await pool.oneFirst(sql.type(z.object({ offset: z.number() }))`
    SELECT min("offset") AS "offset" FROM analytics.crm_event_ledger WHERE organization_id = ${organizationId}`);
  const [contact, opportunity] = [`${organizationId}-contact`, `${organizationId}-opportunity`];
  await pool.query(sql.unsafe`
    INSERT INTO analytics.crm_contacts_staging (id, event_id, contact_id, organization_id, event_type, ingestion_id)
    VALUES (${randomUUID()}, ${contact}, ${contact}, ${organizationId}, 'contact.created', ${randomUUID()})`);
  await pool.query(sql.unsafe`
    INSERT INTO analytics.crm_opportunities_staging (id, event_id, opportunity_id, name, organization_id, event_type,
      ingestion_id)
    VALUES (${randomUUID()}, ${opportunity}, ${opportunity}, ${text}, ${organizationId}, 'opportunity.created',
      ${randomUUID()})`);

  const once = <T>(make: () => Promise<T>) => {
    let made: Promise<T> | undefined;
    return () => {
      if (fresh) return make();
      made ??= make();
      return made;
    };
  };
  const redrive = (status: 'running' | 'awaiting_approval') =>
    once(async () => {
      const { redriveId } = await redrives.create(
        {
          ...{ redriveId: randomUUID(), action: 'redrive', filter: { organizationId }, fix: null, reason: null },
          ...{ force: false, total: 1, lastFailedId: 0, ratePerSecond: 10, requestedBy: text },
        },
        status,
      );
      return redriveId;
    });
  const things = {
    organizationId,
    topic: topics.leads,
    /** Of a message of theirs. */
    offset,
    lead: `lead-${organizationId}-sound-0`,
    contact,
    opportunity,
    firstLetter: letters[0]!,
    letter() {
      const letter = letters[fresh ? ++next : 0];
      if (letter === undefined) throw new Error('there are no more dead letters');
      return letter;
    },
    running: redrive('running'),
    awaiting: redrive('awaiting_approval'),
    replay: once(async () => {
      const { replayId } = await replays.create({
        ...{ replayId: randomUUID(), kind: 'replay', source: 'kafka', mode: 'missing', lanes: 1, ratePerSecond: 10 },
        ...{ filter: { organizationId }, requestedBy: text },
        selection: { by: 'offsets', ranges: [{ topic: topics.leads, partition: 0, from: 0, to: 1 }] },
      });
      return replayId;
    }),
    erasure: once(async () => {
      const erasureId = randomUUID();
      await erasures.create({
        ...{ erasureId, action: 'delete', reason: text, requestedBy: text },
        subject: { kind: 'records', entity: 'lead', ids: ['nobody'], organizationId },
      });
      await erasures.fail(erasureId, text);
      return erasureId;
    }),
    job: once(async () => {
      const as = { roles: ['admin'], organizations: [organizationId] };
      const { text: body } = await ask(as, 'POST', '/enqueue', { topic: topics.leads, partition: 0, offset });
      const { jobId } = z.object({ jobId: z.string() }).parse(JSON.parse(body));
      await expect.poll(async () => (await ask(as, 'GET', `/jobs/${jobId}`)).text, SOON).toContain('"completed"');
      return jobId;
    }),
    hold: once(async () => {
      await holds.place({ organizationId, reason: text, placedBy: text });
    }),
    rule: once(async () => {
      await retention.put({
        ...{ table: 'crm_leads_staging', organizationId, keepDays: 36_000, afterwards: 'drop', late: 'quarantine' },
        changedBy: text,
      });
    }),
  };
  await createQuotas(pool).put({ organizationId, eventsPerSecond: 100_000, changedBy: text });
  await Promise.all([things.running(), things.awaiting(), things.replay(), things.erasure(), things.job()]);
  await things.rule();
  // Ours is placed when it is asked for: it would keep our own from being erased.
  if (!fresh) await things.hold();
  return things;
}
