/**
 * What those who are bound to organizations may ask. The database below shows them rows of theirs alone; here it is
 * decided what is answered, and that what is kept for a worker names the organization that it is limited to.
 */
import { currentScope, INSTALLATION } from '../platform/scope.ts';
import { ProblemError } from './errors.ts';
import type { Principal } from './principal.ts';

/** Whoever asks, as far as organizations go; null for the whole installation. */
type Binding = Pick<Principal, 'organizations'>;

/** Whether what is of an organization is theirs to see; what is of none is the installation's alone. */
export function owns({ organizations }: Binding, organizationId: string | null | undefined): boolean {
  if (organizations === null) return true;
  return typeof organizationId === 'string' && organizations.includes(organizationId);
}

/** Whether what is of an organization may be seen and told by the work under way. */
export function isInScope(organizationId: string | null | undefined): boolean {
  return owns(currentScope() ?? INSTALLATION, organizationId);
}

/**
 * For a request that names an organization.
 * @throws ProblemError `forbidden`, whether or not there is such an organization
 */
export function mustOwn(binding: Binding, organizationId: string): void {
  if (!owns(binding, organizationId)) {
    throw new ProblemError('forbidden', 'Your identity is not bound to the organization that is named.');
  }
}

/**
 * For what concerns all organizations at once, depending on what is asked of a route.
 * @param detail what would do instead
 * @throws ProblemError `forbidden` for those who are bound
 */
export function mustBeUnbound({ organizations }: Binding, detail: string): void {
  if (organizations !== null) {
    throw new ProblemError('forbidden', `This concerns all organizations; your identity is bound to some. ${detail}`);
  }
}

/**
 * The organization that a search is limited to; undefined for all that the identity may see.
 * @throws ProblemError `forbidden` when one is named that is not theirs
 */
export function searched(binding: Binding, organizationId: string | undefined): string | undefined {
  if (organizationId !== undefined) {
    mustOwn(binding, organizationId);
    return organizationId;
  }
  return binding.organizations?.length === 1 ? binding.organizations[0] : undefined;
}

/**
 * The organization that something is limited to which a worker carries out later, when nobody's identity limits it: of
 * an identity that is bound to one, that one; one that is bound to several must name it.
 * @param path of the field that names it
 * @throws ProblemError `forbidden` for one that is not theirs, or for those who have none; `invalid-request` to name one
 */
export function limited(binding: Binding, organizationId: string | undefined, path: string): string | undefined {
  const limit = searched(binding, organizationId);
  if (limit !== undefined || binding.organizations === null) return limit;
  if (binding.organizations.length === 0) {
    throw new ProblemError('forbidden', 'Your identity is bound to no organization.');
  }
  const message = 'required: your identity is bound to several organizations';
  throw new ProblemError('invalid-request', `${path}: ${message}.`, [{ path, message }]);
}

/** A filter with the organization that `limited` says. */
export function limitedFilter<Filter extends { organizationId?: string | undefined }>(
  binding: Binding,
  filter: Filter,
): Filter {
  const organizationId = limited(binding, filter.organizationId, 'filter.organizationId');
  return organizationId === undefined ? filter : { ...filter, organizationId };
}
