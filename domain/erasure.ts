/** Whom an erasure is about, and the proof of what it did. */
import type { Entity } from './events.ts';
import { emailIdentifier, type Identifier, organizationIdentifier, recordIdentifier } from './suppression.ts';

/** In the clear: kept in PostgreSQL while the erasure runs, and nowhere else. */
export type ErasureSubject =
  | { kind: 'email'; email: string }
  /** `organizationId` null means the ids in any organization. */
  | { kind: 'records'; entity: Entity; ids: string[]; organizationId: string | null }
  | { kind: 'organization'; organizationId: string };

export type ErasureAction = 'delete' | 'pseudonymize';

/** A lead, contact or opportunity that is to be erased. */
export interface ErasureRecord {
  entity: Entity;
  id: string;
  /** null for any. */
  organizationId: string | null;
}

/** What a request says of itself, before anything was looked up. */
export function identifiersOf(subject: ErasureSubject): Identifier[] {
  switch (subject.kind) {
    case 'email':
      return [emailIdentifier(subject.email)];
    case 'organization':
      return [organizationIdentifier(subject.organizationId)];
    case 'records':
      return recordsOf(subject).map(identifierOf);
  }
}

/** The records that a request names. */
export function recordsOf(subject: ErasureSubject): ErasureRecord[] {
  if (subject.kind !== 'records') return [];
  const { entity, ids, organizationId } = subject;
  return ids.map((id) => ({ entity, id, organizationId }));
}

export function identifierOf({ organizationId, entity, id }: ErasureRecord): Identifier {
  return recordIdentifier(organizationId, entity, id);
}

/** What was done to the rows of one partition or table. */
export interface ErasurePlace {
  place: string;
  what: 'deleted' | 'pseudonymized' | 'unlinked' | 'emptied' | 'redacted';
  rows: number;
}

/** What a search over everything found. */
export interface SearchCounts {
  /** Tables and partitions that were looked through. */
  tables: number;
  /** Rows about the subject. */
  left: number;
  /** Rows about the subject that a legal hold keeps. */
  held: number;
  /** Failed events whose messages can't be decoded, and were searched for the address as bytes at most. */
  unreadable: number;
}

export const NOTHING_FOUND: SearchCounts = { tables: 0, left: 0, held: 0, unreadable: 0 };

/** Signed like the report of an audit; JSON-safe, whole numbers alone. */
export interface ErasureReport {
  erasureId: string;
  subject: { kind: ErasureSubject['kind']; hashes: string[] };
  action: ErasureAction;
  requestedBy: string;
  requestedAt: string;
  concludedAt: string;
  /** `held`: a legal hold keeps some rows. */
  verdict: 'erased' | 'held';
  suppression: { version: number; identifiers: number };
  /** Leads, contacts and opportunities that were named or found. */
  records: number;
  places: ErasurePlace[];
  /** Of the last search, which found nothing else. */
  verification: SearchCounts;
  notSearched: string[];
  signedBy: string | null;
}
