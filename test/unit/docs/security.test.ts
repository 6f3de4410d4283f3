import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { ALL_PERMISSIONS, ALL_ROLES, PERMISSIONS, permissionsOf } from '../../../domain/permissions.ts';

const guide = readFileSync(new URL('../../../docs/SECURITY.md', import.meta.url), 'utf8');

/** What the table of permissions says, whatever its columns are wide. */
function documented(): string[][] {
  const [, rows = ''] = /^\| permission [^\n]*\n\|[-: |]+\n((?:\|[^\n]*\n)+)/mu.exec(guide) ?? [];
  return rows
    .trim()
    .split('\n')
    .map((row) =>
      row
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
}

it('docs/SECURITY.md has the roles and permissions that there are', () => {
  expect(guide).toMatch(new RegExp(`^\\| permission +\\| ${ALL_ROLES.join(' +\\| ')} +\\| what for +\\|$`, 'mu'));
  const given = ALL_ROLES.map((role) => permissionsOf([role]));
  expect(documented()).toEqual(
    ALL_PERMISSIONS.map((permission) => [
      `\`${permission}\``,
      ...given.map((has) => (has.has(permission) ? '●' : '')),
      PERMISSIONS[permission],
    ]),
  );
});

it('docs/SECURITY.md names tests that exist', () => {
  const named = [...guide.matchAll(/`(test\/[\w./-]+)`/g)].map(([, path]) => path as string);
  expect(named.length).toBeGreaterThan(0);
  for (const path of named) expect(readFileSync(new URL(`../../../${path}`, import.meta.url), 'utf8')).not.toBe('');
});
