/** Whose messages a job of the retry queue may ingest, and who may know of it. */
import { createHash } from 'node:crypto';
import type { JobBinding } from './retry-ports.ts';

/** @param organizations of whoever asks for the job; null for the whole installation */
export function bindingOf(organizations: readonly string[] | null): JobBinding {
  return organizations === null ? null : organizations.map(hashOf);
}

/** Whether a message is meant; one that tells no organization is the installation's alone. */
export function isBoundTo(binding: JobBinding, organizationId: string | null | undefined): boolean {
  if (binding === null) return true;
  return typeof organizationId === 'string' && binding.includes(hashOf(organizationId));
}

/** Whether somebody may know of a job: all that it could tell of must be theirs. */
export function mayKnow(organizations: readonly string[] | null, binding: JobBinding): boolean {
  if (organizations === null) return true;
  const theirs = new Set(organizations.map(hashOf));
  return binding !== null && binding.length > 0 && binding.every((hash) => theirs.has(hash));
}

function hashOf(organizationId: string): string {
  return createHash('sha256').update(organizationId).digest('base64url');
}
