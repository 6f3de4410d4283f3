/** What the routes of erasures take and give. What identifies a subject is taken, and never given. */
import { z } from '@hono/zod-openapi';
import { MAX_CHARACTERS } from '../../domain/column-limits.ts';
import type { ErasureSubject } from '../../domain/erasure.ts';
import { ENTITIES } from '../../domain/events.ts';
import { ReasonSchema } from './dead-letters-settle.ts';

const MOST_IDS = 500;

const organizationId = z.string().min(1).max(MAX_CHARACTERS.organizationId);

const SubjectSchema = z
  .union(
    [
      z
        .object({
          email: z
            .string()
            .trim()
            .min(3)
            .max(MAX_CHARACTERS.email)
            .regex(/^[^@]+@[^@]+$/u, 'expected an e-mail address'),
        })
        .strict(),
      z
        .object({
          entity: z.enum(ENTITIES),
          ids: z.array(z.string().min(1).max(MAX_CHARACTERS.entityId)).min(1).max(MOST_IDS),
          organizationId: organizationId.optional().openapi({ description: 'The ids in any organization without it.' }),
        })
        .strict(),
      z.object({ organizationId }).strict(),
    ],
    { error: 'expected {email}, {entity, ids, organizationId?} or {organizationId}' },
  )
  .openapi('ErasureSubject', {
    description: 'A person by e-mail address, leads, contacts or opportunities by their ids, or an organization.',
  });

export const RequestSchema = z
  .object({
    subject: SubjectSchema,
    action: z.enum(['delete', 'pseudonymize']).openapi({
      description: '`pseudonymize` keeps the rows of persons, with a token for their id and without what is personal.',
    }),
    reason: ReasonSchema.shape.reason,
  })
  .strict()
  .superRefine(({ subject, action, reason }, context) => {
    const refuse = (path: string, message: string) => context.addIssue({ code: 'custom', path: [path], message });
    if (action === 'pseudonymize' && !isPerson(subject)) refuse('action', 'only persons can be pseudonymized');
    if (namesOf(subject).some((name) => reason.includes(name))) refuse('reason', 'must not name who is erased');
  })
  .openapi('ErasureRequest');

type Subject = z.infer<typeof SubjectSchema>;

function isPerson(subject: Subject): boolean {
  return 'email' in subject || ('entity' in subject && subject.entity !== 'opportunity');
}

/** A shorter id is a part of any sentence. */
const SHORTEST_NAME = 4;

function namesOf(subject: Subject): string[] {
  const names = 'email' in subject ? [subject.email] : 'entity' in subject ? subject.ids : [subject.organizationId];
  return names.filter((name) => name.length >= SHORTEST_NAME);
}

export function subjectOf(subject: Subject): ErasureSubject {
  if ('email' in subject) return { kind: 'email', ...subject };
  if ('entity' in subject) return { kind: 'records', ...subject, organizationId: subject.organizationId ?? null };
  return { kind: 'organization', ...subject };
}

const time = z.iso.datetime();
const count = z.number().int();
const kind = z.enum(['email', 'records', 'organization']);
const action = z.enum(['delete', 'pseudonymize']);

export const SummarySchema = z
  .object({
    erasureId: z.uuid(),
    subjectKind: kind,
    action,
    reason: z.string(),
    status: z.enum(['running', 'finished', 'failed']),
    failure: z.string().nullable().openapi({ description: 'Why it failed.' }),
    requestedBy: z.string(),
    requestedAt: time,
    finishedAt: time.nullable(),
  })
  .openapi('ErasureSummary');

const ReportSchema = z
  .object({
    erasureId: z.uuid(),
    subject: z.object({
      kind,
      hashes: z.array(z.string()).openapi({ description: 'HMAC-SHA-256 of what was asked for, by the erasure key.' }),
    }),
    action,
    requestedBy: z.string(),
    requestedAt: time,
    concludedAt: time,
    verdict: z.enum(['erased', 'held']).openapi({ description: '`held`: a legal hold keeps some rows.' }),
    suppression: z.object({
      version: count,
      identifiers: count.openapi({ description: 'That this erasure put on the suppression list.' }),
    }),
    records: count.openapi({ description: 'Leads, contacts and opportunities that were named or found.' }),
    places: z.array(
      z.object({
        place: z.string(),
        what: z.enum(['deleted', 'pseudonymized', 'unlinked', 'emptied', 'redacted']),
        rows: count,
      }),
    ),
    verification: z.object({ tables: count, left: count, held: count, unreadable: count }),
    notSearched: z.array(z.string()),
    signedBy: z.string().nullable().openapi({ description: 'Id of the key; null when the report is unsigned.' }),
  })
  .openapi('ErasureReport', { description: 'docs/ERASURE.md explains every field.' });

export const ErasureSchema = SummarySchema.extend({
  report: ReportSchema.nullable().openapi({ description: 'Null until the erasure is finished.' }),
  signature: z.string().nullable().openapi({
    description: 'Base64 of an Ed25519 signature over the canonical JSON (RFC 8785) of `report`.',
  }),
}).openapi('Erasure');
