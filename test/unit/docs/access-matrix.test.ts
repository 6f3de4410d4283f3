import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { accessMatrix, answerTo, renderMatrix } from '../../../scripts/lib/access-matrix.ts';
import { TENANT_ROUTES } from '../../../scripts/lib/tenant-routes.ts';
import { createTestApp } from '../api/app-under-test.ts';

const docs = readFileSync(new URL('../../../docs/ACCESS-MATRIX.md', import.meta.url), 'utf8');
const { document } = createTestApp();

function documentOf(operation: object) {
  return { paths: { '/api/v1/crm-ingestion/things/{id}': { get: operation } } };
}

describe('the access matrix', () => {
  it('is in docs/ACCESS-MATRIX.md as node scripts/access-matrix.ts prints it', () => {
    expect(docs).toContain(`\n${renderMatrix(accessMatrix(document))}\n`);
  });

  it('says nothing of routes that there are not', () => {
    const routes = accessMatrix(document).map(({ route }) => route);
    expect([...TENANT_ROUTES.keys()].filter((route) => !routes.includes(route))).toEqual([]);
  });

  it('closes what speaks of the installation to all who are bound, and to roles without the permission', () => {
    const [row] = accessMatrix(documentOf({ 'x-permission': 'audit:read', 'x-reach': 'installation' }));
    expect(row).toMatchObject({ route: 'GET /things/{id}', roles: ['compliance', 'admin'] });
    expect(answerTo(row!, 'admin', 'installation')).toBe('allowed');
    for (const binding of ['own', 'others', 'none'] as const)
      expect(answerTo(row!, 'admin', binding)).toBe('forbidden');
    expect(answerTo(row!, 'viewer', 'installation')).toBe('forbidden');
  });

  it('has no room for a route that speaks of organizations and of which nobody said what others hear', () => {
    expect(() => accessMatrix(documentOf({ 'x-permission': 'audit:read', 'x-reach': 'organization' }))).toThrow(
      'GET /things/{id} speaks of organizations',
    );
    expect(accessMatrix(documentOf({ 'x-permission': 'none' }))).toEqual([]);
  });
});
