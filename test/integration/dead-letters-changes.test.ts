import { sql } from 'slonik';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { eventToJson } from '../../domain/event-json.ts';
import type { Rejection } from '../../domain/failures.ts';
import { CANARY } from '../helpers/events.ts';
import { createDeadLetterHarness, encodedEvent } from './dead-letters-harness.ts';

const CONTENDED: Rejection = { code: 'row_contended', detail: 'the row stayed locked' };

/** A lead that failed, and what it takes to mend it. */
async function failedLead(over: Parameters<typeof createDeadLetterHarness>[0] = {}) {
  const harness = await createDeadLetterHarness(over);
  const { event, value } = await encodedEvent('lead');
  const { eventId, eventType, organizationId } = event;
  const [id] = await harness.fail([{ value, event: { eventId, eventType, organizationId } }]);
  const json = eventToJson(event);
  const corrected = (data: object = {}, rest: object = {}) => ({ ...json, ...rest, data: { ...json.data, ...data } });
  return { ...harness, id, event, value, corrected, path: `/${id}/correction` };
}

const keptRow = z.object({ correction: z.unknown(), corrected_by: z.string().nullable(), value: z.instanceof(Buffer) });
const kept = ({ pool, id }: Awaited<ReturnType<typeof failedLead>>) =>
  pool.one(sql.type(keptRow)`
    SELECT correction, corrected_by, value FROM analytics.crm_failed_events WHERE failed_id = ${id ?? 0}
  `);

describe('a correction', () => {
  it('may leave masks as they were shown, and stores no mask', async () => {
    const lead = await failedLead();
    const { event } = (await lead.get(`/${lead.id}`)) as { event: { data: Record<string, unknown> } };
    expect(JSON.stringify(event)).toContain('***');
    const mended = { ...event, data: { ...event.data, score: 9 } };
    expect((await lead.ask('PUT', lead.path, mended)).status).toBe(200);
    const { correction } = (await kept(lead)) as { correction: unknown };
    expect(JSON.stringify(correction)).not.toContain('***');
    const foreign = { ...mended, data: { ...mended.data, email: 'z***@z***.com' } };
    const refused = await lead.ask('PUT', lead.path, foreign);
    expect([refused.status, refused.text]).toEqual([422, expect.stringContaining('data.email')]);
  });

  it('is kept beside the message, and shown masked', async () => {
    const lead = await failedLead();
    const event = lead.corrected({ email: 'new@example.org', score: 9 });
    const { status, text } = await lead.ask('PUT', lead.path, { id: 'ours', ...event });
    expect([status, text]).toEqual([200, expect.not.stringMatching(/canary|new@/)]);
    const email = 'n***@e***.org';
    expect(JSON.parse(text)).toMatchObject({
      correction: { by: 'ada', at: expect.stringMatching(/Z$/), event: { data: { email, score: 9 } } },
    });
    expect(await kept(lead)).toEqual({ correction: event, corrected_by: 'ada', value: lead.value });
    expect(await lead.get(`/${lead.id}`, lead.readerHeaders)).toMatchObject({ correction: { event } });
  });

  it('can be taken away again', async () => {
    const lead = await failedLead();
    await lead.ask('PUT', lead.path, lead.corrected());
    expect(await lead.ask('DELETE', lead.path)).toMatchObject({ status: 200 });
    expect(await kept(lead)).toMatchObject({ correction: null, corrected_by: null });
    expect(await lead.get(`/${lead.id}`)).toMatchObject({ correction: null });
  });

  it('that breaks a rule is refused by field and rule, never by value', async () => {
    const lead = await failedLead();
    const long = CANARY.padEnd(300, 'x');
    const { status, text } = await lead.ask('PUT', lead.path, lead.corrected({ email: long }));
    expect([status, JSON.parse(text)]).toEqual([
      422,
      expect.objectContaining({
        type: '/docs#problem-invalid-correction',
        detail: 'too_long: data.email: 300 characters, at most 255.',
        errors: [{ path: 'data.email', message: 'data.email: 300 characters, at most 255' }],
      }),
    ]);
    const misspelt = await lead.ask('PUT', lead.path, lead.corrected({ [CANARY]: 1 }));
    expect(misspelt).toMatchObject({ status: 422 });
    expect(JSON.stringify([text, misspelt, lead.logger.lines])).not.toContain('canary');
    expect(await kept(lead)).toMatchObject({ correction: null });
  });

  it('keeps the event id and the organization of the message', async () => {
    const lead = await failedLead();
    const organization = lead.corrected({ organizationId: 'other' }, { organizationId: 'other' });
    for (const [field, json] of [
      ['eventId', lead.corrected({}, { eventId: 'other' })],
      ['organizationId', organization],
    ] as const) {
      const { status, text } = await lead.ask('PUT', lead.path, json);
      expect([status, JSON.parse(text).errors]).toEqual([422, [{ path: field, message: expect.any(String) }]]);
    }
  });

  it('knows them also of a message that can be decoded only now', async () => {
    const lead = await failedLead();
    const [id] = await lead.fail([{ value: lead.value, rejection: { code: 'unknown_schema', detail: 'no schema 1' } }]);
    const { status } = await lead.ask('PUT', `/${id}/correction`, lead.corrected({}, { eventId: 'other' }));
    expect(status).toBe(422);
  });

  it('may name both for a message that can not be decoded', async () => {
    const lead = await failedLead();
    const [id] = await lead.fail([
      { value: Buffer.from('rubbish'), rejection: { code: 'bad_magic_byte', detail: 'not 0' } },
    ]);
    const other = lead.corrected({ organizationId: 'other' }, { eventId: 'other', organizationId: 'other' });
    expect(await lead.ask('PUT', `/${id}/correction`, other)).toMatchObject({ status: 200 });
  });

  it('does not overwrite what somebody else did meanwhile', async () => {
    const lead = await failedLead();
    const { etag } = await lead.ask('GET', `/${lead.id}`);
    const ifMatch = { 'if-match': etag ?? '' };
    const first = await lead.ask('PUT', lead.path, lead.corrected({ score: 1 }), ifMatch);
    expect(first).toMatchObject({ status: 200, etag: expect.not.stringMatching(etag ?? '') });
    expect(await lead.ask('PUT', lead.path, lead.corrected({ score: 2 }), ifMatch)).toMatchObject({ status: 412 });
    expect(await lead.ask('DELETE', lead.path, undefined, ifMatch)).toMatchObject({ status: 412 });
    expect(await kept(lead)).toMatchObject({ correction: { data: { score: 1 } } });
    const again = { 'if-match': first.etag ?? '' };
    expect(await lead.ask('PUT', lead.path, lead.corrected({ score: 2 }), again)).toMatchObject({ status: 200 });
    expect(await lead.ask('PUT', lead.path, lead.corrected({ score: 3 }), { 'if-match': '*' })).toMatchObject({
      status: 200,
    });
    expect(await lead.ask('PUT', lead.path, lead.corrected(), { 'if-match': 'W/"x"' })).toMatchObject({ status: 400 });
  });

  it('comes too late for an event that is settled, and finds none that is not there', async () => {
    const lead = await failedLead();
    await lead.ask('POST', `/${lead.id}/discard`, { reason: 'of no use' });
    expect(await lead.ask('PUT', lead.path, lead.corrected())).toMatchObject({ status: 409 });
    expect(await lead.ask('DELETE', lead.path)).toMatchObject({ status: 409 });
    expect(await lead.ask('PUT', '/999999/correction', lead.corrected())).toMatchObject({ status: 404 });
    expect(await lead.ask('DELETE', '/999999/correction')).toMatchObject({ status: 404 });
  });
});

const movesRow = z.object({ cause: z.string(), from_status: z.string(), to_status: z.string(), events: z.number() });
const logRow = z.object({ processing_status: z.string(), metadata: z.unknown() });

describe('a discard', () => {
  it('settles the event in its row, in the log and in the books', async () => {
    const { pool, id, ask, get, value } = await failedLead();
    const { status, text } = await ask('POST', `/${id}/discard`, { reason: '  Sent by the test system ' });
    const reason = 'Sent by the test system';
    expect([status, JSON.parse(text)]).toEqual([
      200,
      expect.objectContaining({
        status: 'discarded',
        settledAs: 'discarded',
        discardReason: reason,
        nextAttemptAt: null,
      }),
    ]);
    const log = await pool.one(sql.type(logRow)`SELECT processing_status, metadata FROM analytics.crm_events_log`);
    expect(log).toEqual({ processing_status: 'discarded', metadata: { errors: [], discarded: { by: 'ada', reason } } });
    const moves = await pool.any(sql.type(movesRow)`
      SELECT cause, from_status, to_status, events FROM analytics.crm_moves WHERE cause = 'discard'
    `);
    expect(moves).toEqual([{ cause: 'discard', from_status: 'dead', to_status: 'discarded', events: 1 }]);
    expect(await get(`/${id}`)).toMatchObject({ valueBytes: value.length, settledAt: expect.stringMatching(/Z$/) });
  });

  it('of an event that waits for a retry ends its waiting', async () => {
    const { pool, fail, ask, get } = await createDeadLetterHarness();
    const [id] = await fail([{ rejection: CONTENDED }]);
    expect(await get(`/${id}`)).toMatchObject({ nextAttemptAt: expect.any(String) });
    await ask('POST', `/${id}/discard`, { reason: 'of no use' });
    expect(await get(`/${id}`)).toMatchObject({ nextAttemptAt: null });
    const from = await pool.oneFirst(sql.type(z.object({ from_status: z.string() }))`
      SELECT from_status FROM analytics.crm_moves WHERE cause = 'discard'
    `);
    expect(from).toBe('failed');
  });

  it('happens once, whoever else tries', async () => {
    const { pool, id, ask } = await failedLead();
    const tries = Array.from({ length: 8 }, () => ask('POST', `/${id}/discard`, { reason: 'of no use' }));
    const statuses = (await Promise.all(tries)).map(({ status }) => status);
    expect(statuses.toSorted()).toEqual([200, 409, 409, 409, 409, 409, 409, 409]);
    const moves = await pool.oneFirst(sql.type(z.object({ count: z.number() }))`
      SELECT count(*) FROM analytics.crm_moves WHERE cause = 'discard'
    `);
    expect(moves).toBe(1);
  });

  it('is refused for want of a fit reason', async () => {
    const { id, ask, get, logger } = await failedLead();
    for (const body of [
      {},
      { reason: 'no' },
      { reason: '   no   ' },
      { reason: 'x'.repeat(501) },
      { reason: `asked for by ${CANARY}` },
      { reason: 'of\0no use' },
      { reason: 'of no use', force: true },
    ]) {
      const answer = await ask('POST', `/${id}/discard`, body);
      expect([body, answer.status]).toEqual([body, 400]);
      expect(answer.text).not.toContain('canary');
    }
    expect(JSON.stringify(logger.lines)).not.toContain('canary');
    expect(await get(`/${id}`)).toMatchObject({ status: 'dead' });
  });

  it('finds none that is not there', async () => {
    const { ask } = await createDeadLetterHarness();
    expect(await ask('POST', '/999999/discard', { reason: 'of no use' })).toMatchObject({ status: 404 });
  });
});

describe('a redrive', () => {
  it.each([
    [{ status: 'processed', reason: null } as const, 200, { status: 'processed', reason: null }],
    [{ status: 'skipped', reason: 'duplicate' } as const, 200, { status: 'skipped', reason: 'duplicate' }],
    ['accepted' as const, 202, { status: null, reason: null }],
    ['taken' as const, 409, { type: '/docs#problem-conflict' }],
  ])('that ends as %j is answered %d', async (outcome, status, body) => {
    const asked: unknown[] = [];
    const { id, ask } = await failedLead({
      redriveOne: async (...call) => {
        asked.push(call);
        return outcome;
      },
    });
    const answer = await ask('POST', `/${id}/redrive`);
    expect([answer.status, JSON.parse(answer.text)]).toEqual([status, expect.objectContaining(body)]);
    expect(asked).toEqual([[id, 'ada', null]]);
  });

  it('is not begun for an event that is settled or not there', async () => {
    const { id, ask } = await failedLead({
      redriveOne: async () => {
        throw new Error('must not be asked');
      },
    });
    await ask('POST', `/${id}/discard`, { reason: 'of no use' });
    expect(await ask('POST', `/${id}/redrive`)).toMatchObject({ status: 409 });
    expect(await ask('POST', '/999999/redrive')).toMatchObject({ status: 404 });
  });
});
