/** What identities hear that are bound to organizations, by the routes that speak of organizations. */

/**
 * `allowed`: the request is carried out, as far as things stand. `forbidden`: 403. `unknown`: 404, as for an id that
 * nothing has. `left out`: an answer without anything of theirs.
 */
export type Answer = 'allowed' | 'forbidden' | 'unknown' | 'left out';

interface TenantAnswers {
  /** When they ask for what is another organization's. */
  others: Answer;
  /** When they are bound to no organization. */
  none: Answer;
}

/** Lists, counts and exports have theirs alone. */
const LIST: TenantAnswers = { others: 'left out', none: 'left out' };

/** Ids of others' things are as good as ids of nothing. */
const BY_ID: TenantAnswers = { others: 'unknown', none: 'unknown' };

/** The organization is named, or must be. */
const NAMED: TenantAnswers = { others: 'forbidden', none: 'forbidden' };

export const TENANT_ROUTES: ReadonlyMap<string, TenantAnswers> = new Map([
  ['GET /audit-log', LIST],
  ['GET /audit-log/export', LIST],
  ['GET /leads/{id}/history', BY_ID],
  ['GET /contacts/{id}/history', BY_ID],
  ['GET /opportunities/{id}/history', BY_ID],
  // Whose message it is turns out when it is read; the job then says that there is none.
  ['POST /enqueue', { others: 'left out', none: 'forbidden' }],
  ['GET /jobs/{id}', BY_ID],
  ['GET /dead-letters', LIST],
  ['GET /dead-letters/export', LIST],
  ['GET /dead-letters/summary', LIST],
  ['GET /dead-letters/groups', LIST],
  ['GET /dead-letters/{id}', BY_ID],
  ['PUT /dead-letters/{id}/correction', BY_ID],
  ['DELETE /dead-letters/{id}/correction', BY_ID],
  ['POST /dead-letters/{id}/redrive', BY_ID],
  ['POST /dead-letters/{id}/discard', BY_ID],
  ['POST /redrives/plan', NAMED],
  ['POST /redrives', NAMED],
  ['GET /redrives', LIST],
  ['GET /redrives/{id}', BY_ID],
  ['POST /redrives/{id}/pause', BY_ID],
  ['POST /redrives/{id}/resume', BY_ID],
  ['POST /redrives/{id}/cancel', BY_ID],
  ['POST /redrives/{id}/approve', BY_ID],
  ['POST /redrives/{id}/reject', BY_ID],
  ['PUT /redrives/{id}/rate', BY_ID],
  ['POST /replays/plan', NAMED],
  ['POST /replays', NAMED],
  ['POST /backfills/plan', NAMED],
  ['POST /backfills', NAMED],
  ['GET /replays', LIST],
  ['GET /replays/{id}', BY_ID],
  ['POST /replays/{id}/pause', BY_ID],
  ['POST /replays/{id}/resume', BY_ID],
  ['POST /replays/{id}/cancel', BY_ID],
  ['PUT /replays/{id}/rate', BY_ID],
  ['GET /retention', LIST],
  ['PUT /retention', NAMED],
  ['DELETE /retention/{table}/{organizationId}', NAMED],
  ['GET /quotas', LIST],
  ['GET /legal-holds', LIST],
  ['GET /legal-holds/{organizationId}', NAMED],
  ['PUT /legal-holds/{organizationId}', NAMED],
  ['DELETE /legal-holds/{organizationId}', NAMED],
  ['POST /erasures', NAMED],
  ['GET /erasures', LIST],
  ['GET /erasures/{id}', BY_ID],
]);
