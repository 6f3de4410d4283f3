import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { ALL_PERMISSIONS, ALL_ROLES, PERMISSIONS, permissionsOf } from '../../../domain/permissions.ts';

const guide = readFileSync(new URL('../../../docs/SECURITY.md', import.meta.url), 'utf8');

function table(): string {
  const cells = (texts: readonly string[]) => `| ${texts.join(' | ')} |`;
  const given = ALL_ROLES.map((role) => permissionsOf([role]));
  return [
    cells(['permission', ...ALL_ROLES, 'what for']),
    cells(['---', ...ALL_ROLES.map(() => ':-:'), '---']),
    ...ALL_PERMISSIONS.map((permission) =>
      cells([`\`${permission}\``, ...given.map((has) => (has.has(permission) ? '●' : '')), PERMISSIONS[permission]]),
    ),
  ].join('\n');
}

it('docs/SECURITY.md has the roles and permissions that there are', () => {
  expect(guide).toContain(`\n\n${table()}\n\n`);
});

it('docs/SECURITY.md names tests that exist', () => {
  const named = [...guide.matchAll(/`(test\/[\w./-]+)`/g)].map(([, path]) => path as string);
  expect(named.length).toBeGreaterThan(0);
  for (const path of named) expect(readFileSync(new URL(`../../../${path}`, import.meta.url), 'utf8')).not.toBe('');
});
