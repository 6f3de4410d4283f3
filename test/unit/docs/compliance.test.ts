/** docs/COMPLIANCE.md promises nothing that is not there. */
import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { PERMISSIONS } from '../../../domain/permissions.ts';
import { createTestApp, operationOf } from '../api/app-under-test.ts';

const root = new URL('../../../', import.meta.url);
const text = readFileSync(new URL('docs/COMPLIANCE.md', root), 'utf8');
const variables = readFileSync(new URL('platform/variables.ts', root), 'utf8');
const { document } = createTestApp();

/** What stands between backticks. */
const named = [...new Set([...text.matchAll(/`([^`\n]+)`/gu)].map(([, name = '']) => name))];
const tests = named.filter((name) => name.startsWith('test/'));
const routes = named.filter((name) => /^(?:GET|PUT|POST|DELETE) \//u.test(name));
const settings = named.filter((name) => /^[A-Z]+(?:_[A-Z]+)+$/u.test(name));
const permissions = named.filter((name) => /^[a-z]+:[a-z]+$/u.test(name));

/** The rows of the tables on safeguards, by their cells. */
const rows = text
  .split('\n')
  .filter((line) => line.startsWith('| ') && !line.startsWith('| ---'))
  .map((line) => line.split('|').map((cell) => cell.trim()))
  .filter((cells) => cells.length === 6 && cells[4] !== 'Shown by');

describe('docs/COMPLIANCE.md', () => {
  it('names enough to be looked at', () => {
    expect(tests.length).toBeGreaterThan(25);
    expect(routes.length).toBeGreaterThan(6);
    expect(settings.length).toBeGreaterThan(20);
    expect(permissions.length).toBeGreaterThan(4);
    expect(rows.length).toBeGreaterThan(20);
  });

  it.each(tests)('names a test that there is: %s', (file) => {
    expect(existsSync(new URL(file, root))).toBe(true);
  });

  it.each(routes)('names a route that there is: %s', (route) => {
    const [method = '', path = ''] = route.split(' ');
    expect(operationOf(document, method, path)).toBeDefined();
  });

  it.each(settings)('names a setting that there is: %s', (name) => {
    // A secret can be read from the file that its name with _FILE says.
    const own = name.replace(/_FILE$/u, '');
    expect(variables).toMatch(new RegExp(`^ {2}(?:${name}: |${own}: secret)`, 'mu'));
  });

  it.each(permissions.filter((name) => name !== 'audit:verify'))('names a permission that there is: %s', (name) => {
    expect(PERMISSIONS).toHaveProperty([name]);
  });

  it('shows every safeguard by a test', () => {
    for (const [, safeguard, , , shown] of rows) expect(shown, safeguard).toMatch(/`test\/[\w/-]+\.test\.ts`/u);
  });

  it('links to pages that there are', () => {
    const links = [...text.matchAll(/\]\(([\w-]+\.md)\)/gu)].map(([, page = '']) => page);
    expect(links.length).toBeGreaterThan(5);
    for (const page of links) expect(existsSync(new URL(`docs/${page}`, root)), page).toBe(true);
  });
});
