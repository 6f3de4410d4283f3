import { z } from '@hono/zod-openapi';

export const PhaseSchema = z
  .enum(['never-started', 'starting', 'running', 'pausing', 'paused', 'stopping', 'stopped'])
  .openapi('Phase');

export const NotesSchema = z
  .array(z.string())
  .openapi({ description: 'Why a part of the answer is null: which server could not be asked.' });

/** A response of a route that is JSON. */
export function answer<S extends z.ZodType>(description: string, schema: S) {
  return { description, content: { 'application/json': { schema } } };
}

/** The body of a request that must be JSON. */
export function jsonBody<S extends z.ZodType>(schema: S) {
  return { required: true, content: { 'application/json': { schema } } };
}

/** A text to search for. @param longest in characters */
export const searchText = (longest: number) =>
  z
    .string()
    .min(1)
    .max(longest)
    .refine((value) => !value.includes('\0'), 'holds a NUL character');

/** A moment to search from or to. */
export const searchTime = z.iso
  .datetime({ offset: true })
  .refine((value) => Date.parse(value) >= 0, 'must be after 1970');

// Typed as any text: zod-openapi's types would take the end of the name for JSON.
export const NDJSON: string = 'application/x-ndjson';
