/** What the claims of a token that was found genuine say about who shows it. */
import { permissionsOf } from '../../domain/permissions.ts';
import { MAX_NAME, type Principal } from '../principal.ts';
import { KEY_NAME_PREFIX } from './names.ts';

/** A token is bound to few organizations, or to none in particular. */
export const MOST_ORGANIZATIONS = 100;

/** Longest id of an organization that the tables take. */
const MAX_ORGANIZATION = 100;

/** Says that a token is for the whole installation. */
const EVERY_ORGANIZATION = '*';

export interface ClaimNames {
  /** Dots enter objects, unless there is a claim of the very name. */
  rolesClaim: string;
  organizationsClaim: string;
}

/** A claim is not of the form that is documented; `claim` tells which, for the log. */
export class ClaimError extends Error {
  override readonly name = 'ClaimError';
  readonly claim: 'sub' | 'roles' | 'organizations';
  constructor(claim: ClaimError['claim']) {
    super(`the claim for ${claim} has not the form that it must have`);
    this.claim = claim;
  }
}

/**
 * Whoever is bound to nothing explicitly gets nothing: no role, no permission; no claim of organizations, none of them.
 * @throws ClaimError
 */
export function principalOf(claims: object, names: ClaimNames): Principal {
  return {
    name: nameOf(ownProperty(claims, 'sub')),
    kind: 'token',
    permissions: permissionsOf(texts(claimOf(claims, names.rolesClaim), 'roles')),
    organizations: organizationsOf(claimOf(claims, names.organizationsClaim)),
  };
}

function nameOf(sub: unknown): string {
  const isName =
    typeof sub === 'string' && isPrintable(sub, MAX_NAME) && sub.trim() === sub && !sub.startsWith(KEY_NAME_PREFIX);
  if (!isName) throw new ClaimError('sub');
  return sub;
}

function organizationsOf(claim: unknown): string[] | null {
  const organizations = [...new Set(texts(claim, 'organizations'))];
  if (organizations.length === 1 && organizations[0] === EVERY_ORGANIZATION) return null;
  const fits =
    organizations.length <= MOST_ORGANIZATIONS &&
    organizations.every((id) => id !== EVERY_ORGANIZATION && isPrintable(id, MAX_ORGANIZATION));
  if (!fits) throw new ClaimError('organizations');
  return organizations;
}

/** A list, or texts with spaces between them; nothing when the claim is absent. */
function texts(claim: unknown, name: ClaimError['claim']): string[] {
  if (claim === undefined || claim === null) return [];
  if (typeof claim === 'string') return claim.split(' ').filter((text) => text !== '');
  if (!Array.isArray(claim) || !claim.every((item) => typeof item === 'string')) throw new ClaimError(name);
  return claim;
}

/** Neither empty nor with characters that can't be seen: those would forge lines of logs and names of others. */
function isPrintable(text: string, most: number): boolean {
  return text !== '' && text.length <= most && !/[\p{C}\p{Zl}\p{Zp}]/u.test(text);
}

function claimOf(claims: object, name: string): unknown {
  const direct = ownProperty(claims, name);
  return direct === undefined ? name.split('.').reduce<unknown>(ownProperty, claims) : direct;
}

/** Never what an object inherits. */
function ownProperty(from: unknown, name: string): unknown {
  if (typeof from !== 'object' || from === null) return undefined;
  return Object.getOwnPropertyDescriptor(from, name)?.value;
}
