import { describe, expect, it } from 'vitest';
import { createDeadLetters } from '../../adapters/postgres/dead-letters.ts';
import { guarded } from '../../adapters/postgres/errors.ts';
import { createDatabasePool } from '../../adapters/postgres/pool.ts';
import { createEventDecoder } from '../../adapters/registry/index.ts';
import { FAILURES, type Rejection } from '../../domain/failures.ts';
import { forwarded } from '../../platform/lazily.ts';
import { CANARY } from '../helpers/events.ts';
import { createDeadLetterHarness, encodedEvent, LETTERS } from './dead-letters-harness.ts';

const CONTENDED: Rejection = { code: 'row_contended', detail: 'the row stayed locked' };
const REFUSED: Rejection = { code: 'refused_by_database', detail: 'SQLSTATE 23514', sqlstate: '23514', field: 'score' };
const BROKEN: Rejection = { code: 'undecodable', detail: 'cut off or corrupt' };

interface Page {
  items: Array<{ id: number; error: { code: string } }>;
  nextCursor: string | null;
}

const idsOf = (page: Page) => page.items.map(({ id }) => id);

describe('the list', () => {
  it('shows what is known of an event, without its payload', async () => {
    const { fail, get } = await createDeadLetterHarness();
    const [id] = await fail([
      {
        rejection: CONTENDED,
        topic: 'crm.leads',
        event: { eventId: 'e-1', eventType: 'lead.created', organizationId: 'org-1' },
      },
    ]);
    expect(await get('')).toEqual({
      items: [
        {
          id,
          status: 'failed',
          topic: 'crm.leads',
          partition: 0,
          offset: 0,
          error: { code: 'row_contended', class: 'retryable', detail: CONTENDED.detail, field: null, sqlstate: null },
          eventId: 'e-1',
          eventType: 'lead.created',
          organizationId: 'org-1',
          schemaId: 1,
          fingerprint: expect.stringMatching(/^[0-9a-f]{32}$/),
          attempts: 0,
          redrives: 0,
          nextAttemptAt: '2026-11-20T00:00:00.000Z',
          settledAs: null,
          createdAt: expect.stringMatching(/Z$/),
          updatedAt: expect.stringMatching(/Z$/),
        },
      ],
      nextCursor: null,
    });
  });

  it('pages through all of them, whatever fails meanwhile', async () => {
    const { fail, get } = await createDeadLetterHarness();
    const ids = await fail(Array.from({ length: 25 }, () => ({})));
    const seen: number[] = [];
    let page: Page = await get('?limit=10');
    for (;;) {
      seen.push(...idsOf(page));
      if (page.nextCursor === null) break;
      await fail([{}]);
      page = await get(`?limit=10&cursor=${page.nextCursor}`);
    }
    expect(seen).toEqual(ids.toSorted((a, b) => b - a));
  });

  it('has no next page when the last one is full', async () => {
    const { fail, get } = await createDeadLetterHarness();
    await fail(Array.from({ length: 10 }, () => ({})));
    expect((await get('?limit=10')).nextCursor).toBeNull();
  });

  it('keeps to every filter, and to all of them at once', async () => {
    const { fail, ask, get } = await createDeadLetterHarness();
    const [first, second, third, fourth] = await fail([
      { rejection: BROKEN, topic: 'crm.leads', schemaId: 7 },
      { rejection: CONTENDED, event: { organizationId: 'org-1', eventType: 'lead.created' } },
      { rejection: REFUSED, event: { organizationId: 'org-1', eventType: 'lead.updated' } },
      { rejection: REFUSED, event: { organizationId: 'org-2', eventType: 'lead.created' } },
    ]);
    await ask('POST', `/${fourth}/discard`, { reason: 'of no use' });
    const group = (await get(`/${third}`)).fingerprint;
    const future = '2100-01-01T00:00:00%2B02:00';
    const expected: Array<[string, Array<number | undefined>]> = [
      ['status=failed', [second]],
      ['status=dead', [third, first]],
      ['status=discarded', [fourth]],
      ['status=resolved', []],
      ['class=retryable', [second]],
      ['class=permanent', [fourth, third, first]],
      ['organizationId=org-1', [third, second]],
      ['eventType=lead.created', [fourth, second]],
      ['errorCode=undecodable', [first]],
      [`fingerprint=${group}`, [fourth, third]],
      ['schemaId=7', [first]],
      ['topic=crm.leads', [first]],
      [`from=${future}`, []],
      [`to=${future}`, [fourth, third, second, first]],
      [`failedIds=${first},${third},999999`, [third, first]],
      ['organizationId=org-1&eventType=lead.updated&status=dead&class=permanent&topic=crm.events', [third]],
    ];
    for (const [query, ids] of expected) expect([query, idsOf(await get(`?${query}`))]).toEqual([query, ids]);
  });

  it('takes attempts at SQL for values', async () => {
    const { fail, get } = await createDeadLetterHarness();
    const attempts = ["' OR '1'='1", "'; DROP TABLE analytics.crm_failed_events; --", '$1', '\\', '%'];
    await fail([...attempts, 'org-1'].map((organizationId) => ({ event: { organizationId } })));
    for (const attempt of attempts) {
      const { items } = await get(`?organizationId=${encodeURIComponent(attempt)}`);
      expect(items).toEqual([expect.objectContaining({ organizationId: attempt })]);
      expect(await get(`?topic=${encodeURIComponent(attempt)}`)).toMatchObject({ items: [] });
    }
  });

  it('refuses what it does not know or can not read', async () => {
    const { ask } = await createDeadLetterHarness();
    for (const query of [
      'status=dying',
      'class=odd',
      'errorCode=nothing_like_it',
      'fingerprint=xyz',
      'schemaId=1.5',
      'organizationId=%00',
      'from=yesterday',
      'from=0000-01-01T00:00:00Z',
      'failedIds=1,x',
      'limit=0',
      'limit=501',
      'cursor=nonsense',
      'sattus=dead',
      'status=dead&status=failed',
    ]) {
      expect([query, (await ask('GET', `?${query}`)).status]).toEqual([query, 400]);
    }
  });

  it('takes a thousand ids and no more', async () => {
    const { ask } = await createDeadLetterHarness();
    const ids = (count: number) => Array.from({ length: count }, (_, index) => index + 1).join(',');
    expect(await ask('GET', `?failedIds=${ids(1_000)}`)).toMatchObject({ status: 200 });
    expect(await ask('GET', `?failedIds=${ids(1_001)}`)).toMatchObject({ status: 400 });
  });

  it('says that PostgreSQL is away', async () => {
    const connect = () =>
      createDatabasePool({ url: 'postgres://x@127.0.0.1:1/x', ca: null, poolSize: 1, applicationName: 'x' });
    const { ask } = await createDeadLetterHarness({
      deadLetters: forwarded(async () => createDeadLetters(await guarded(connect))),
    });
    expect(await ask('GET', '')).toMatchObject({ status: 503, text: expect.stringContaining('server-unavailable') });
  });
});

describe('one event', () => {
  it('is shown decoded to whoever may see personal data', async () => {
    const { fail, get, readerHeaders } = await createDeadLetterHarness();
    const { event, value } = await encodedEvent('lead');
    const [id] = await fail([{ value, rejection: REFUSED, event: { eventId: event.eventId } }]);
    expect(await get(`/${id}`, readerHeaders)).toMatchObject({
      id,
      masked: false,
      undecodable: null,
      firstBytes: null,
      errors: [],
      keyBytes: 3,
      valueBytes: value.length,
      headers: [{ name: 'trace', bytes: 3 }],
      recordTimestamp: '2026-11-20T00:00:00.000Z',
      event: {
        eventId: event.eventId,
        timestamp: new Date(event.timestamp).toISOString(),
        data: { email: CANARY, createdAt: new Date(event.data.createdAt).toISOString() },
      },
      correction: null,
    });
  });

  it.each(['lead', 'contact', 'opportunity'] as const)('of a %s is masked for others', async (entity) => {
    const { fail, ask, get, logger } = await createDeadLetterHarness();
    const { event, value } = await encodedEvent(entity);
    const [id] = await fail([{ value, event: { eventId: event.eventId } }]);
    const shown = await get(`/${id}`);
    expect(shown).toMatchObject({ masked: true, event: { eventId: event.eventId, eventType: event.eventType } });
    const lists = await Promise.all(['', '/groups', '/summary', '/export', `/${id}`].map((path) => ask('GET', path)));
    expect(lists.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200]);
    expect(JSON.stringify([lists, logger.lines])).not.toContain('canary');
  });

  it('whose ids are made of an e-mail address shows none of them in any list', async () => {
    const { fail, ask, askAsReader } = await createDeadLetterHarness();
    await fail([{ event: { eventId: `lead-${CANARY}`, organizationId: CANARY } }]);
    const answers = (who: typeof ask) =>
      Promise.all(['', '/summary', '/groups', '/export'].map((path) => who('GET', path)));
    expect(JSON.stringify(await answers(ask))).not.toContain('canary');
    expect(JSON.stringify(await answers(askAsReader))).toContain('canary');
  });

  it('that can not be decoded says why, and shows bytes only to whoever may see them', async () => {
    const { fail, get, readerHeaders } = await createDeadLetterHarness();
    const { value } = await encodedEvent('lead');
    const cut = value.subarray(0, -20);
    const [id] = await fail([{ value: cut, rejection: BROKEN }]);
    const undecodable = { code: 'undecodable', detail: expect.any(String) };
    expect(await get(`/${id}`)).toMatchObject({ event: null, undecodable, firstBytes: null });
    const open = await get(`/${id}`, readerHeaders);
    expect(open).toMatchObject({ event: null, undecodable, firstBytes: cut.subarray(0, 256).toString('hex') });
  });

  it('is shown without its payload while the registry is away', async () => {
    const decoder = createEventDecoder({ url: 'http://127.0.0.1:1', auth: null, ca: null });
    const { fail, get } = await createDeadLetterHarness({ decoder });
    const { value } = await encodedEvent('lead');
    const [id] = await fail([{ value }]);
    expect(await get(`/${id}`)).toMatchObject({ id, event: null, undecodable: { code: 'registry_unavailable' } });
  });

  it('that is not there, or is none', async () => {
    const { request } = await createDeadLetterHarness();
    const statuses = ['999999', '0', 'x', '1e3', '-1'].map(
      async (id) => (await request('GET', `${LETTERS}/${id}`)).status,
    );
    expect(await Promise.all(statuses)).toEqual([404, 400, 400, 400, 400]);
  });
});

describe('groups and summary', () => {
  it('gather events that fail for the same reason', async () => {
    const { fail, get } = await createDeadLetterHarness();
    const event = { organizationId: 'org-1' };
    const ids = await fail([
      { rejection: REFUSED, event },
      { rejection: REFUSED, topic: 'crm.leads' },
      { rejection: REFUSED, schemaId: 2 },
      { rejection: CONTENDED, event },
    ]);
    const { groups } = await get('/groups');
    expect(groups).toHaveLength(3);
    expect(groups[0]).toEqual({
      fingerprint: expect.any(String),
      count: 2,
      error: { code: 'refused_by_database', class: 'permanent', field: 'score', sqlstate: '23514' },
      schemaId: 1,
      topics: ['crm.events', 'crm.leads'],
      firstSeen: expect.any(String),
      lastSeen: expect.any(String),
      exampleId: ids[1],
    });
    const counts = async (query: string) =>
      (await get(`/groups?${query}`)).groups.map((group: { count: number }) => group.count);
    expect(await counts('organizationId=org-1')).toEqual([1, 1]);
    expect(await counts('status=failed')).toEqual([1]);
    expect(await counts('limit=1')).toEqual([2]);
  });

  it('count what is left to do', async () => {
    const { fail, ask, get } = await createDeadLetterHarness();
    const [first] = await fail([
      { event: { organizationId: 'org-1' } },
      { event: { organizationId: 'org-1' } },
      { rejection: CONTENDED },
    ]);
    await ask('POST', `/${first}/discard`, { reason: 'of no use' });
    expect(await get('/summary')).toEqual({
      statuses: [
        { status: 'dead', count: 1 },
        { status: 'discarded', count: 1 },
        { status: 'failed', count: 1 },
      ],
      errorCodes: [
        { errorCode: 'row_contended', count: 1 },
        { errorCode: 'too_long', count: 1 },
      ],
      organizations: [
        { organizationId: 'org-1', count: 1 },
        { organizationId: null, count: 1 },
      ],
    });
    expect((await get('/groups')).groups).toHaveLength(2);
  });

  it('can filter by every failure code there is', async () => {
    const { get } = await createDeadLetterHarness();
    for (const code of Object.keys(FAILURES)) expect(await get(`?errorCode=${code}`)).toMatchObject({ items: [] });
  });
});
