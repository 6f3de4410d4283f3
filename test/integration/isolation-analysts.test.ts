import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import pg from 'pg';
import { type DatabasePool, sql } from 'slonik';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { guarded } from '../../adapters/postgres/errors.ts';
import { ENTITIES, type Entity } from '../../domain/events.ts';
import { maskEvent, maskField, maskOpen } from '../../domain/masking.ts';
import { RECORD_CATALOGUE } from '../../domain/pii.ts';
import { columnOf, PRIVACY_OF_COLUMNS, STAGING_TABLE } from '../../domain/pii-columns.ts';
import { createGuardedDatabase, insertRowsOf, openPool } from './isolation-harness.ts';

const VIEW: Record<Entity, string> = { lead: 'crm_leads', contact: 'crm_contacts', opportunity: 'crm_opportunities' };

const organizations = (table: string) => sql.type(z.object({ organization: z.string() }))`
  SELECT organization_id AS organization FROM ${sql.identifier(table.split('.'))} ORDER BY organization_id
`;

/** Rows of `a`, `b` and `c`; an analyst of `a` and `c` with the role. */
async function openAsAnalyst(role: string) {
  const { owner, login } = await createGuardedDatabase();
  for (const organization of ['a', 'b', 'c']) await insertRowsOf(owner, organization);
  const { name, url } = await login(role);
  const pool = await openPool(url);
  const grant = (organization: string) =>
    owner.query(sql.unsafe`
      INSERT INTO analytics.crm_reader_organizations (reader, organization_id) VALUES (${name}, ${organization})
    `);
  return { owner, name, pool, grant };
}

describe('an analyst', () => {
  it.each([
    'crm_leads_staging',
    'crm_contacts_staging',
    'crm_opportunities_staging',
    'crm_events_log',
    'crm_event_ledger',
  ])('reads of %s what was granted to the login, and nothing before', async (table) => {
    const { pool, grant } = await openAsAnalyst('crm_read');
    expect(await pool.anyFirst(organizations(`analytics.${table}`))).toEqual([]);
    await grant('a');
    await grant('c');
    expect(await pool.anyFirst(organizations(`analytics.${table}`))).toEqual(['a', 'c']);
  });

  it.each(['crm_leads', 'crm_contacts', 'crm_opportunities', 'crm_events'])(
    'who may not see personal data reads %s of the same organizations, and no table',
    async (view) => {
      const { pool, grant } = await openAsAnalyst('crm_read_masked');
      expect(await pool.anyFirst(organizations(`analytics_masked.${view}`))).toEqual([]);
      await grant('c');
      expect(await pool.anyFirst(organizations(`analytics_masked.${view}`))).toEqual(['c']);
      await expect(
        guarded(() => pool.query(sql.unsafe`SELECT 1 FROM analytics.crm_leads_staging`)),
      ).rejects.toMatchObject({ code: '42501' });
    },
  );

  it('sees whose rows are granted to the login itself, and can not grant any', async () => {
    const { owner, pool, name, grant } = await openAsAnalyst('crm_read');
    await grant('a');
    await owner.query(sql.unsafe`
      INSERT INTO analytics.crm_reader_organizations (reader, organization_id) VALUES ('somebody', 'b')
    `);
    const readers = sql.type(z.object({ reader: z.string() }))`SELECT reader FROM analytics.crm_reader_organizations`;
    expect(await pool.anyFirst(readers)).toEqual([name]);
    await expect(guarded(() => grantBy(pool, name))).rejects.toMatchObject({ code: '42501' });
  });

  it('finds a row by its id alone as the documentation says, by the keys of the ledger and of one partition', async () => {
    const { owner, login } = await createGuardedDatabase();
    for (const day of ['2026-11-20', '2026-11-21']) {
      await owner.query(sql.unsafe`SELECT analytics.crm_ensure_partition('crm_leads_staging', ${day}, 'day')`);
    }
    await owner.query(sql.unsafe`
      WITH e AS (
        SELECT md5(n::text)::uuid AS id, '2026-11-20'::timestamptz + n * interval '4 seconds' AS at
        FROM generate_series(1, 40000) n
      ), staged AS (
        INSERT INTO analytics.crm_leads_staging (id, event_id, lead_id, organization_id, event_timestamp, event_type, ingestion_id)
        SELECT id, id, 'lead', 'a', at, 'lead.created', id FROM e
      )
      INSERT INTO analytics.crm_event_ledger (
        event_id, organization_id, entity, source_id, partition, "offset", event_timestamp, run_id, content_hash
      )
      SELECT id, 'a', 1, 1, 0, 1, at, id, 1 FROM e
    `);
    await owner.query(sql.unsafe`ANALYZE analytics.crm_leads_staging, analytics.crm_event_ledger`);
    const { name, url } = await login('crm_read');
    await owner.query(sql.unsafe`
      INSERT INTO analytics.crm_reader_organizations (reader, organization_id) VALUES (${name}, 'a')
    `);
    const documented = readFileSync(new URL('../../docs/ANALYSTS.md', import.meta.url), 'utf8')
      .match(/^```sql\n(SELECT .*?);\n```/msu)?.[1]
      ?.replace(/'[0-9a-f-]{36}'/u, "md5('30000')::uuid::text");
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    try {
      const { rows } = await client.query<{ event_timestamp: Date }>(`${documented}`);
      expect(rows.map((row) => row.event_timestamp.toISOString())).toEqual(['2026-11-21T09:20:00.000Z']);
      const plan = await client.query<[string]>({ text: `EXPLAIN (ANALYZE) ${documented}`, rowMode: 'array' });
      const scans = plan.rows
        .flat()
        .filter((line) => /Scan/u.test(line) && !/never executed|reader_organizations/u.test(line));
      expect(scans.map((line) => / using (\w+?)(?:_\d)?_pkey/u.exec(line)?.[1])).toEqual([
        'crm_event_ledger',
        'crm_leads_staging_p20261121',
      ]);
    } finally {
      await client.end();
    }
  });

  it('learns of an id of another organization nothing, not even that it is there', async () => {
    const { owner, pool, grant } = await openAsAnalyst('crm_read');
    await grant('a');
    const idOf = (organization: string) =>
      owner.oneFirst(sql.type(z.object({ id: z.string() }))`
        SELECT event_id AS id FROM analytics.crm_event_ledger WHERE organization_id = ${organization}
      `);
    const isKnown = async (organization: string) =>
      pool.oneFirst(sql.type(z.object({ known: z.boolean() }))`
        SELECT analytics.is_event_processed(${await idOf(organization)}) AS known
      `);
    expect(await isKnown('a')).toBe(true);
    expect(await isKnown('b')).toBe(false);
  });
});

function grantBy(pool: DatabasePool, reader: string) {
  return pool.query(sql.unsafe`
    INSERT INTO analytics.crm_reader_organizations (reader, organization_id) VALUES (${reader}, 'b')
  `);
}

describe('masked views', () => {
  it.each(ENTITIES)('have every column of the table of %ss, under its name', async (entity) => {
    const { owner } = await createGuardedDatabase();
    const columns = await owner.anyFirst(sql.type(z.object({ name: z.string() }))`
      SELECT a.attname::text AS name FROM pg_attribute a
      WHERE a.attrelid = ${`analytics_masked.${VIEW[entity]}`}::regclass AND a.attnum > 0
    `);
    expect(columns.toSorted()).toEqual(Object.keys(PRIVACY_OF_COLUMNS[STAGING_TABLE[entity]]).toSorted());
  });

  it.each(ENTITIES)('show rows of the table of %ss as the application masks them', async (entity) => {
    const { owner, pool, grant } = await openAsAnalyst('crm_read_masked');
    await grant('org@x.example');
    const fields = Object.keys(RECORD_CATALOGUE[entity]).filter((field) => TEXT_SAMPLES[field] !== undefined);
    const samples = Object.fromEntries(fields.map((field) => [field, TEXT_SAMPLES[field] ?? '']));
    const values = fields.map((field) => sql.fragment`${samples[field] ?? ''}`);
    await owner.query(sql.unsafe`
      INSERT INTO ${sql.identifier(['analytics', STAGING_TABLE[entity]])} (
        id, event_id, event_timestamp, event_type, ingestion_id, metadata,
        ${sql.join(
          fields.map((field) => sql.identifier([columnOf(entity, field)])),
          sql.fragment`, `,
        )}
      )
      VALUES (gen_random_uuid(), 'e@1', '2026-11-20', 'lead.created', gen_random_uuid(), ${JSON.stringify(METADATA)}::jsonb,
        ${sql.join(values, sql.fragment`, `)})
    `);
    const shown = await pool.one(sql.type(z.object({ row: z.record(z.string(), z.unknown()) }))`
      SELECT to_jsonb(v) AS row FROM ${sql.identifier(['analytics_masked', VIEW[entity]])} v
    `);
    for (const field of fields) {
      expect(shown.row[columnOf(entity, field)], field).toEqual(maskField(`data.${field}`, samples[field] ?? ''));
    }
    expect(shown.row.event_id).toBe(maskOpen('e@1'));
    expect(shown.row.metadata).toEqual((maskEvent({ metadata: METADATA }) as { metadata: unknown }).metadata);
    expect(JSON.stringify(shown.row)).not.toMatch(/Lovelace|example\.com|901820|Analytical/u);
  });

  it('mask any value as the application does', async () => {
    const { owner } = await createGuardedDatabase();
    const masked = (name: string, values: readonly string[]) =>
      owner.anyFirst(sql.type(z.object({ masked: z.string() }))`
        SELECT ${sql.identifier(['analytics_masked', name])}(v.value) AS masked
        FROM unnest(${sql.array([...values], 'text')}) WITH ORDINALITY AS v(value, nr) ORDER BY v.nr
      `);
    for (const [name, path] of [
      ['mask_open', 'data.source'],
      ['mask_text', 'data.firstName'],
      ['mask_email', 'data.email'],
      ['mask_phone', 'data.phone'],
    ] as const) {
      await fc.assert(
        fc.asyncProperty(fc.array(anyText, { minLength: 50, maxLength: 100 }), async (values) => {
          expect(await masked(name, values)).toEqual(values.map((value) => maskField(path, value)));
        }),
        { numRuns: 20 },
      );
    }
  });

  it('mask any metadata as the application does', async () => {
    const { owner } = await createGuardedDatabase();
    await fc.assert(
      fc.asyncProperty(fc.array(anyMetadata, { minLength: 20, maxLength: 40 }), async (values) => {
        const masked = await owner.anyFirst(sql.type(z.object({ masked: z.unknown() }))`
          SELECT analytics_masked.mask_metadata(v.value) AS masked
          FROM jsonb_array_elements(${JSON.stringify(values)}::jsonb) WITH ORDINALITY AS v(value, nr) ORDER BY v.nr
        `);
        expect(masked).toEqual(values.map((metadata) => (maskEvent({ metadata }) as { metadata: unknown }).metadata));
      }),
      { numRuns: 20 },
    );
  });
});

const TEXT_SAMPLES: Readonly<Record<string, string>> = {
  id: 'ada@example.com',
  firstName: 'Ada',
  lastName: 'Lovelace',
  email: 'ada@example.com',
  phone: '+49 30 901820',
  company: 'Analytical Engines',
  title: '',
  source: 'web',
  status: 'new',
  assignedTo: 'grace@example.com',
  organizationId: 'org@x.example',
  leadId: 'lead-1',
  contactId: 'contact@example.com',
  name: 'Ada Lovelace, 2026',
  currency: 'EUR',
  stage: 'won',
};

const METADATA = {
  source: 'ada@example.com',
  version: '1',
  correlationId: 'abc',
  other: { deep: ['Ada Lovelace', 1, true, null, ''] },
};

/** Texts that PostgreSQL can hold: no NUL, no halves of surrogate pairs. */
const plain = fc.string({ unit: 'binary' }).filter((text) => !text.includes('\0'));
const anyText = fc.oneof(
  plain,
  fc.emailAddress(),
  fc.string({ unit: fc.constantFrom('@', '.', 'a', 'K', 'ſ', 'é', '1', '😀', '\n', ' ') }),
  fc.string({
    unit: fc.constantFrom('+', '(', ')', '-', '.', ' ', '0', '1', '9', '٣', 'x', '😀', '\n'),
    maxLength: 45,
  }),
);

const anyMetadata = fc.dictionary(
  fc.oneof(
    fc.constantFrom('source', 'version', 'correlationId'),
    plain.filter((key) => key !== '__proto__'),
  ),
  fc
    .jsonValue({ noUnicodeString: false })
    .filter((value) => !JSON.stringify(value).includes('\\u0000') && !/\\ud[89a-f]/u.test(JSON.stringify(value))),
);
