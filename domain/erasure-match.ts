/** Whether a message that failed is about the subject of an erasure. */
import { type ErasureRecord, type ErasureSubject, identifierOf } from './erasure.ts';
import type { WireEvent } from './events.ts';
import { normalEmail, recordIdentifier } from './suppression.ts';

export interface ErasureMatcher {
  /** By what the event says, whether or not it is sound. */
  isAbout(event: WireEvent): boolean;
  /**
   * Whether a text that nobody can read otherwise holds the address of the subject. It also finds longer addresses that
   * end in it: among bytes nobody can tell where one begins.
   */
  mentions(text: string): boolean;
}

/** @param records those that the erasure is about, named or found */
export function createErasureMatcher(subject: ErasureSubject, records: readonly ErasureRecord[]): ErasureMatcher {
  const known = new Set(records.map((record) => keyOf(identifierOf(record))));
  const email = subject.kind === 'email' ? normalEmail(subject.email) : null;
  return {
    isAbout(event) {
      const { entity, organizationId, data } = event;
      if (subject.kind === 'organization') {
        return organizationId === subject.organizationId || data.organizationId === subject.organizationId;
      }
      if (email !== null && 'email' in data && data.email !== null && normalEmail(data.email) === email) return true;
      if (known.size === 0 || data.id === null) return false;
      const places = [organizationId, data.organizationId, null];
      return places.some((place) => known.has(keyOf(recordIdentifier(place, entity, data.id as string))));
    },
    mentions: (text) => email !== null && text.normalize('NFC').toLowerCase().includes(email),
  };
}

function keyOf({ kind, parts }: ReturnType<typeof recordIdentifier>): string {
  return JSON.stringify([kind, ...parts]);
}
