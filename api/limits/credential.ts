import { hash } from 'node:crypto';

/**
 * A hash of what a request proves an identity with, as a name for it in memory; null without.
 * @param authorization the header
 */
export function credentialOf(authorization: string | undefined): string | null {
  return authorization === undefined ? null : hash('sha256', authorization, 'base64');
}
