/** What the routes of histories take and give. */
import { z } from '@hono/zod-openapi';
import type { HistoryPlace } from '../../activities/history-ports.ts';

const text = (longest: number) =>
  z
    .string()
    .min(1)
    .max(longest)
    .refine((value) => !value.includes('\0'), 'holds a NUL character');

export const IdSchema = z.object({ id: text(255).openapi({ description: 'Its id in the source system.' }) });

/** PostgreSQL knows no later year than JavaScript does, and none of our events is older than 1970. */
const moment = z.iso.datetime({ offset: true }).refine((value) => Date.parse(value) >= 0, 'must be after 1970');

export const QuerySchema = z
  .object({
    at: moment.optional().openapi({ description: 'As of this moment, by the times of the events; now without it.' }),
    organizationId: text(100).optional().openapi({ description: 'Needed where several organizations have the id.' }),
    limit: z.coerce.number().int().min(1).max(200).default(50),
    cursor: z
      .string()
      .refine((value) => placeOf(value) !== null, 'is none that a page gave')
      .optional()
      .openapi({ description: 'The `nextCursor` of the page before.' }),
  })
  .strict();

/** A place as it is told to clients, who give it back for the next page. */
export function cursorOf({ at, rowId }: HistoryPlace): string {
  return `${at}.${rowId}`;
}

/** @returns null for what is no cursor of ours */
export function placeOf(cursor: string): HistoryPlace | null {
  const [, at, rowId] = /^(\d{1,15})\.([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/u.exec(cursor) ?? [];
  return at === undefined || rowId === undefined ? null : { at: Number(at), rowId };
}

const value = z.union([z.string(), z.number()]).nullable();

const RunSchema = z
  .object({
    ingestionId: z.string(),
    kind: z
      .string()
      .nullable()
      .openapi({ description: 'Such as `live` or `replay`; null for one that is not on record.' }),
  })
  .openapi('RunRef');

const ChangeSchema = z
  .object({
    eventId: z.string(),
    eventType: z.string(),
    eventTimestamp: z.iso.datetime(),
    processedAt: z.iso.datetime().openapi({ description: 'When its row was written as it is.' }),
    origin: z
      .object({
        topic: z.string().openapi({ description: '`file:…` for a row that came from a file.' }),
        incarnation: z.number().int().openapi({ description: 'Grows when a topic is deleted and made again.' }),
        partition: z.number().int(),
        offset: z.number().int().openapi({ description: 'Of a file, the number of the line or record.' }),
      })
      .nullable()
      .openapi({ description: 'The delivery that won the event id; null when the ledger has forgotten the id.' }),
    schemaId: z.number().int().nullable(),
    corrected: z.boolean().openapi({ description: 'It had failed, and was corrected.' }),
    run: RunSchema,
    overwritten: z
      .array(z.object({ run: RunSchema, replacedBy: RunSchema, replacedAt: z.string() }))
      .openapi({ description: 'Earlier forms of its row that replays wrote over, the latest first.' }),
    changed: z
      .array(z.object({ field: z.string(), from: value, to: value }))
      .openapi({ description: 'Against the version before; the first one changes every field that it has.' }),
  })
  .openapi('EntityChange');

export const HistorySchema = z
  .object({
    entity: z.enum(['lead', 'contact', 'opportunity']),
    id: z.string(),
    organizationId: z.string(),
    at: z.iso.datetime(),
    state: z
      .record(z.string(), value)
      .nullable()
      .openapi({ description: 'Its fields at that moment; null when nothing of it had happened.' }),
    changes: z.array(ChangeSchema).openapi({ description: 'By the times of the events, the newest first.' }),
    nextCursor: z.string().nullable().openapi({ description: 'Gives the next page; null on the last one.' }),
    masked: z.boolean().openapi({ description: 'Whether personal data is masked, for want of `pii:read`.' }),
  })
  .openapi('EntityHistory');
