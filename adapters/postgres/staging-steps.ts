/**
 * The steps that every writer shares: from deliveries to the ledger and the staging tables. They expect a step
 * `delivery` before them.
 *
 *   won        ids that are new: the ledger decides, first delivery of each id in id order (crossing ids of two writers
 *              then wait for each other instead of deadlocking)
 *   outcome    what became of each delivery; a loser is told apart by the ledger's winner
 *   leads …    staging rows of the winners, found by their coordinates (an id may stand twice in a batch)
 */
import { type FragmentSqlToken, sql } from 'slonik';
import type { BatchColumns } from './batch-columns.ts';
import { bigints, ints, texts, uuids } from './column-fragments.ts';

/** The deliveries as rows `d`, `ord` counted from 1. */
export function deliveryRows({ deliveries: d }: BatchColumns): FragmentSqlToken {
  return sql.fragment`
    unnest(
      ${ints(d.slice)}, ${bigints(d.offset)}, ${texts(d.status)}, ${texts(d.eventId)}, ${texts(d.eventType)},
      ${texts(d.organizationId)}, ${bigints(d.eventTimestamp)}, ${ints(d.entity)}, ${bigints(d.contentHash)},
      ${uuids(d.id)}, ${texts(d.error)}
    ) WITH ORDINALITY AS d(
      slice, "offset", status, event_id, event_type, organization_id, event_ms, entity, content_hash, id, error, ord
    )
  `;
}

/** What the steps below read of those rows, beside where each came from. */
export const DELIVERY_COLUMNS = sql.fragment`
  d.ord, d.slice, d."offset", d.status, d.event_id COLLATE "C" AS event_id, d.event_type,
  d.organization_id COLLATE "C" AS organization_id,
  to_timestamp(d.event_ms::double precision / 1000) AS event_timestamp, d.entity, d.content_hash, d.id, d.error
`;

/**
 * One row of the events log per delivery; none for one that is read again, or that has failed before.
 * @param whenLogged what to do where there is a row already
 */
export function loggedStep(runId: string, whenLogged: FragmentSqlToken): FragmentSqlToken {
  return sql.fragment`
    logged AS (
      INSERT INTO analytics.crm_events_log AS log (
        id, event_id, event_type, topic, partition, "offset", organization_id, event_timestamp, processing_status,
        error_message, ingestion_id, metadata, topic_incarnation
      )
      SELECT id, event_id, event_type, topic, partition, "offset", organization_id, event_timestamp, status, error,
        ${runId}::uuid, CASE WHEN reason IS NOT NULL THEN jsonb_build_object('reason', reason) END, incarnation
      FROM outcome
      WHERE reason IS DISTINCT FROM 'reread' AND failed_id IS NULL
      ${whenLogged}
      RETURNING topic, partition, "offset", topic_incarnation
    )
  `;
}

export const KEEP_AS_LOGGED = sql.fragment`
  ON CONFLICT (topic, partition, "offset", event_timestamp, topic_incarnation) DO NOTHING
`;

export interface StagingSteps {
  steps: FragmentSqlToken[];
  /** How many rows they staged. */
  staged: FragmentSqlToken;
}

/** A table that the deliveries have no row for gets no step: planning it would cost a small batch dearly. */
export function stagingSteps(columns: BatchColumns, runId: string): StagingSteps {
  const entities = [
    { rows: columns.leads.ord, name: 'leads', step: () => leadsStep(columns, runId) },
    { rows: columns.contacts.ord, name: 'contacts', step: () => contactsStep(columns, runId) },
    { rows: columns.opportunities.ord, name: 'opportunities', step: () => opportunitiesStep(columns, runId) },
  ].filter(({ rows }) => rows.length > 0);
  const counts = entities.map(({ name }) => sql.fragment`(SELECT count(*) FROM ${sql.identifier([name])})`);
  return {
    steps: [outcomeSteps(runId), ...entities.map(({ step }) => step())],
    staged: sql.fragment`${sql.join([sql.fragment`0`, ...counts], sql.fragment` + `)}`,
  };
}

function outcomeSteps(runId: string): FragmentSqlToken {
  return sql.fragment`
    won AS (
      INSERT INTO analytics.crm_event_ledger (
        event_id, organization_id, entity, source_id, partition, "offset", event_timestamp, run_id, content_hash
      )
      SELECT DISTINCT ON (event_id)
        event_id, organization_id, entity, source_id, partition, "offset", event_timestamp, ${runId}::uuid,
        content_hash
      FROM delivery
      WHERE status = 'stage'
      ORDER BY event_id, ord
      ON CONFLICT (event_id) DO NOTHING
      RETURNING event_id, organization_id, source_id, partition, "offset", content_hash
    ),
    outcome AS MATERIALIZED (
      SELECT d.ord, d.slice, d.topic, d.incarnation, d.source_id, d.partition, d."offset", d.event_id, d.event_type,
        d.organization_id, d.event_timestamp, d.id, d.error, d.failed_id,
        CASE
          WHEN d.status <> 'stage' THEN d.status
          WHEN (w.source_id, w.partition, w."offset") = (d.source_id, d.partition, d."offset") THEN 'processed'
          ELSE 'skipped'
        END AS status,
        CASE
          WHEN d.status <> 'stage' THEN NULL
          WHEN w.event_id IS NOT NULL THEN
            CASE
              WHEN (w.source_id, w.partition, w."offset") = (d.source_id, d.partition, d."offset") THEN NULL
              WHEN (w.organization_id, w.content_hash) = (d.organization_id, d.content_hash) THEN 'duplicate'
              ELSE 'conflict'
            END
          WHEN l.source_id IS NULL THEN 'unresolved'
          WHEN (l.source_id, l.partition, l."offset") = (d.source_id, d.partition, d."offset") THEN 'reread'
          WHEN (l.organization_id, l.content_hash) = (d.organization_id, d.content_hash) THEN 'duplicate'
          ELSE 'conflict'
        END AS reason
      FROM delivery d
      LEFT JOIN won w ON w.event_id = d.event_id AND d.status = 'stage'
      LEFT JOIN LATERAL (
        SELECT known.organization_id, known.source_id, known.partition, known."offset", known.content_hash
        FROM analytics.crm_event_ledger known
        WHERE d.status = 'stage' AND w.event_id IS NULL AND known.event_id = d.event_id
        OFFSET 0 -- one look-up by key for each loser, never a join with the whole ledger
      ) l ON true
    )
  `;
}

function leadsStep({ leads }: BatchColumns, runId: string): FragmentSqlToken {
  return sql.fragment`
    leads AS (
      INSERT INTO analytics.crm_leads_staging (
        id, event_id, lead_id, first_name, last_name, email, phone, company, title, source, status, score, assigned_to,
        created_at, updated_at, organization_id, event_timestamp, event_type, metadata, ingestion_id
      )
      SELECT d.id, d.event_id, i.lead_id, i.first_name, i.last_name, i.email, i.phone, i.company, i.title, i.source,
        i.status, i.score, i.assigned_to, to_timestamp(i.created_ms::double precision / 1000),
        to_timestamp(i.updated_ms::double precision / 1000), d.organization_id, d.event_timestamp, d.event_type,
        i.metadata::jsonb, ${runId}::uuid
      FROM unnest(
        ${bigints(leads.ord)}, ${texts(leads.leadId)}, ${texts(leads.firstName)},
        ${texts(leads.lastName)}, ${texts(leads.email)}, ${texts(leads.phone)}, ${texts(leads.company)},
        ${texts(leads.title)}, ${texts(leads.source)}, ${texts(leads.status)}, ${ints(leads.score)},
        ${texts(leads.assignedTo)}, ${bigints(leads.createdAt)}, ${bigints(leads.updatedAt)}, ${texts(leads.metadata)}
      ) AS i(
        ord, lead_id, first_name, last_name, email, phone, company, title, source, status, score, assigned_to,
        created_ms, updated_ms, metadata
      )
      JOIN outcome d ON d.ord = i.ord AND d.status = 'processed'
      RETURNING 1
    )
  `;
}

function contactsStep({ contacts }: BatchColumns, runId: string): FragmentSqlToken {
  return sql.fragment`
    contacts AS (
      INSERT INTO analytics.crm_contacts_staging (
        id, event_id, contact_id, first_name, last_name, email, phone, company, title, lead_id, created_at, updated_at,
        organization_id, event_timestamp, event_type, metadata, ingestion_id
      )
      SELECT d.id, d.event_id, i.contact_id, i.first_name, i.last_name, i.email, i.phone, i.company, i.title, i.lead_id,
        to_timestamp(i.created_ms::double precision / 1000), to_timestamp(i.updated_ms::double precision / 1000),
        d.organization_id, d.event_timestamp, d.event_type, i.metadata::jsonb, ${runId}::uuid
      FROM unnest(
        ${bigints(contacts.ord)}, ${texts(contacts.contactId)}, ${texts(contacts.firstName)},
        ${texts(contacts.lastName)}, ${texts(contacts.email)}, ${texts(contacts.phone)}, ${texts(contacts.company)},
        ${texts(contacts.title)}, ${texts(contacts.leadId)}, ${bigints(contacts.createdAt)},
        ${bigints(contacts.updatedAt)}, ${texts(contacts.metadata)}
      ) AS i(
        ord, contact_id, first_name, last_name, email, phone, company, title, lead_id, created_ms, updated_ms, metadata
      )
      JOIN outcome d ON d.ord = i.ord AND d.status = 'processed'
      RETURNING 1
    )
  `;
}

function opportunitiesStep({ opportunities }: BatchColumns, runId: string): FragmentSqlToken {
  return sql.fragment`
    opportunities AS (
      INSERT INTO analytics.crm_opportunities_staging (
        id, event_id, opportunity_id, name, lead_id, contact_id, amount, currency, stage, probability,
        expected_close_date, created_at, updated_at, organization_id, event_timestamp, event_type, metadata, ingestion_id
      )
      SELECT d.id, d.event_id, i.opportunity_id, i.name, i.lead_id, i.contact_id, i.amount::numeric, i.currency, i.stage,
        i.probability, DATE '1970-01-01' + i.close_day, to_timestamp(i.created_ms::double precision / 1000),
        to_timestamp(i.updated_ms::double precision / 1000), d.organization_id, d.event_timestamp, d.event_type,
        i.metadata::jsonb, ${runId}::uuid
      FROM unnest(
        ${bigints(opportunities.ord)}, ${texts(opportunities.opportunityId)},
        ${texts(opportunities.name)}, ${texts(opportunities.leadId)}, ${texts(opportunities.contactId)},
        ${texts(opportunities.amount)}, ${texts(opportunities.currency)}, ${texts(opportunities.stage)},
        ${ints(opportunities.probability)}, ${ints(opportunities.expectedCloseDate)}, ${bigints(opportunities.createdAt)},
        ${bigints(opportunities.updatedAt)}, ${texts(opportunities.metadata)}
      ) AS i(
        ord, opportunity_id, name, lead_id, contact_id, amount, currency, stage, probability, close_day, created_ms,
        updated_ms, metadata
      )
      JOIN outcome d ON d.ord = i.ord AND d.status = 'processed'
      RETURNING 1
    )
  `;
}
