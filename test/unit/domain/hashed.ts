import { expect } from 'vitest';
import type { StagedEvent } from '../../../domain/staging.ts';
import { isRejection, validate } from '../../../domain/validate.ts';
import { CONTEXT, contact, lead, opportunity, RECORDED } from './sound.ts';

export function staged(event: Parameters<typeof validate>[0]): StagedEvent {
  const result = validate(event, RECORDED, CONTEXT);
  if (isRejection(result)) expect.fail(result.detail);
  return result;
}

/** One of each entity, for the tests of what is hashed of them. */
export const EVENTS = [
  ['lead', staged(lead())],
  ['contact', staged(contact())],
  ['opportunity', staged(opportunity())],
] as const;

/** The columns that are content: not who delivered it, under which id, and the hash itself. */
export const contentOf = (event: StagedEvent): string[] =>
  Object.keys(event).filter((column) => !NOT_HASHED.has(column));

const NOT_HASHED = new Set(['eventId', 'metadata', 'contentHash', 'entity']);
