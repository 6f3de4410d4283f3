/** What people and machines may do, and the roles that gather it. Tokens name roles or permissions; see docs/SECURITY.md. */

export const PERMISSIONS = {
  'ingestion:start': 'Start the ingestion, set its lanes, move positions, let streams go on.',
  'ingestion:stop': 'Stop the ingestion.',
  'ingestion:pause': 'Pause the ingestion and have it go on.',
  'ingestion:read': 'See status, metrics, books, partitions, runs, and entities with their personal data masked.',
  'replay:create': 'Request replays and backfills, steer them, and have one message read again.',
  'replay:cancel': 'End replays and backfills.',
  'deadletter:read': 'See failed events, with their personal data masked.',
  'deadletter:redrive': 'Correct failed events and have them tried again.',
  'deadletter:discard': 'Give failed events up.',
  'pii:read': 'See personal data as it is.',
  'partition:manage': 'Create, detach and maintain partitions, and say how long data is kept.',
  'erasure:create': 'Erase a person, and hold an organization back from deletion.',
  'audit:read': 'Read the audit log and prove ranges of the books.',
  'tenant:manage': 'Make and revoke API keys, and set quotas of organizations.',
} as const satisfies Record<string, string>;

export type Permission = keyof typeof PERMISSIONS;

export const ALL_PERMISSIONS = Object.keys(PERMISSIONS) as Permission[];

const VIEWER = ['ingestion:read'] as const satisfies Permission[];

export const ROLES = {
  viewer: VIEWER,
  operator: [
    ...VIEWER,
    'ingestion:start',
    'ingestion:stop',
    'ingestion:pause',
    'replay:create',
    'replay:cancel',
    'deadletter:read',
    'deadletter:redrive',
    'deadletter:discard',
    'partition:manage',
  ],
  analyst: [...VIEWER, 'deadletter:read'],
  compliance: [...VIEWER, 'deadletter:read', 'pii:read', 'erasure:create', 'audit:read'],
  admin: ALL_PERMISSIONS,
} as const satisfies Record<string, readonly Permission[]>;

export type Role = keyof typeof ROLES;

export const ALL_ROLES = Object.keys(ROLES) as Role[];

/**
 * What someone with these roles and single permissions may do.
 * @param names as a token or key carries them; names that there are not give nothing
 */
export function permissionsOf(names: Iterable<string>): ReadonlySet<Permission> {
  const permissions = new Set<Permission>();
  for (const name of names) {
    if (Object.hasOwn(ROLES, name)) {
      for (const permission of ROLES[name as Role]) permissions.add(permission);
    } else if (Object.hasOwn(PERMISSIONS, name)) {
      permissions.add(name as Permission);
    }
  }
  return permissions;
}
