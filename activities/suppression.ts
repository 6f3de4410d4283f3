/** The suppression list as a process holds it: keyed hashes in memory, brought up to date when PostgreSQL says so. */
import type { Entity, WireEvent } from '../domain/events.ts';
import { formerHashOf } from '../domain/former-content-hash.ts';
import type { StagedEvent } from '../domain/staging.ts';
import {
  emailIdentifier,
  type IdentifierHash,
  type IdentifierKind,
  organizationIdentifier,
  recordIdentifier,
  tokenOf,
} from '../domain/suppression.ts';
import { StaleSuppressionError, type SuppressionList } from './ports.ts';

/** The list while nobody was erased. */
export const NOBODY: SuppressionList = {
  version: 0,
  hides: () => false,
  unlink: (event) => event,
  refresh: async () => {},
};

export interface SuppressedIdentifier {
  kind: IdentifierKind;
  hash: string;
  keyId: string;
}

export interface SuppressionSource {
  /**
   * What came to the list after a version, and the version that it has now, as of one moment.
   * @throws WriteError when PostgreSQL can't be reached
   */
  since(version: number): Promise<{ version: number; added: SuppressedIdentifier[] }>;
}

/** The list can't be read with the key of this process, which therefore must not write. */
export class SuppressionKeyError extends Error {
  override readonly name = 'SuppressionKeyError';
}

/** Organizations whose answer is remembered; far more than one process sees in a while. */
const REMEMBERED = 10_000;

/** @param identifiers null without a key: then the list must be empty */
export function createSuppressionList(source: SuppressionSource, identifiers: IdentifierHash | null): SuppressionList {
  const hashes: Record<IdentifierKind, Set<string>> = {
    email: new Set(),
    record: new Set(),
    'record-anywhere': new Set(),
    organization: new Set(),
  };
  const organizations = new Map<string, boolean>();
  let version = 0;
  let isEmpty = true;

  function hidesOrganization(organizationId: string): boolean {
    const remembered = organizations.get(organizationId);
    if (remembered !== undefined) return remembered;
    if (organizations.size >= REMEMBERED) organizations.clear();
    const hidden = has(organizationIdentifier(organizationId));
    organizations.set(organizationId, hidden);
    return hidden;
  }

  function has(identifier: Parameters<IdentifierHash['hash']>[0]): boolean {
    return identifiers !== null && hashes[identifier.kind].has(identifiers.hash(identifier));
  }

  /** The hash that the list has for a record; null when it is not on it. */
  function hashOf(organizationId: string | null, entity: Entity, id: string): string | null {
    if (identifiers === null) return null;
    for (const place of organizationId === null ? [null] : [organizationId, null]) {
      const identifier = recordIdentifier(place, entity, id);
      if (hashes[identifier.kind].size === 0) continue;
      const hash = identifiers.hash(identifier);
      if (hashes[identifier.kind].has(hash)) return hash;
    }
    return null;
  }

  const linked = (organizationId: string, entity: Entity, id: string | null) => {
    const hash = id === null ? null : hashOf(organizationId, entity, id);
    return hash === null ? id : tokenOf(hash);
  };

  return {
    get version() {
      return version;
    },

    hides({ entity, organizationId, data }: WireEvent): boolean {
      if (isEmpty) return false;
      const stated = data.organizationId !== organizationId ? [organizationId, data.organizationId] : [organizationId];
      if (hashes.organization.size > 0 && stated.some((id) => id !== null && hidesOrganization(id))) return true;
      if (hashes.email.size > 0 && 'email' in data && data.email !== null && has(emailIdentifier(data.email))) {
        return true;
      }
      const { id } = data;
      return id !== null && stated.some((place) => hashOf(place, entity, id) !== null);
    },

    unlink(event: StagedEvent): StagedEvent {
      if (isEmpty || event.entity === 'lead') return event;
      const { organizationId } = event;
      const leadId = linked(organizationId, 'lead', event.leadId);
      if (event.entity === 'contact') {
        return leadId === event.leadId ? event : { ...event, leadId, formerHash: formerHashOf(event) };
      }
      const contactId = linked(organizationId, 'contact', event.contactId);
      return leadId === event.leadId && contactId === event.contactId
        ? event
        : { ...event, leadId, contactId, formerHash: formerHashOf(event) };
    },

    async refresh() {
      const latest = await source.since(version);
      for (const { kind, hash, keyId } of latest.added) {
        if (keyId !== identifiers?.keyId) throw new SuppressionKeyError(keyProblem(identifiers));
        hashes[kind].add(hash);
        isEmpty = false;
      }
      organizations.clear();
      version = latest.version;
    },
  };
}

function keyProblem(identifiers: IdentifierHash | null): string {
  return identifiers === null
    ? 'somebody was erased, and without the key nothing may be written: set ERASURE_KEY_FILE or ERASURE_KEY to the key of the suppression list'
    : 'the suppression list was made with another key, and nothing may be written: set ERASURE_KEY_FILE or ERASURE_KEY to that key';
}

/**
 * Does work that writes by the list until the list did not change meanwhile.
 * @param work is given the version to be written with, and judges events by the list as it is then
 * @throws what `work` throws, and SuppressionKeyError, WriteError
 */
export async function byCurrentList<Result>(
  list: SuppressionList,
  work: (version: number) => Promise<Result>,
): Promise<Result> {
  for (;;) {
    try {
      return await work(list.version);
    } catch (error) {
      if (!(error instanceof StaleSuppressionError)) throw error;
      await list.refresh();
    }
  }
}
