import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { renderConfigTable } from '../../../platform/config-docs.ts';
import { createTestApp, operationOf } from '../api/app-under-test.ts';

type Compose = { services: Record<string, { ports?: string[] }> };

const root = new URL('../../../', import.meta.url);
const read = (path: string) => readFileSync(new URL(path, root), 'utf8');

const readme = read('README.md');
const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
const { services } = parse(read('docker-compose.yml'), { merge: true }) as Compose;
const { document } = createTestApp();

/** The groups of each match, every combination once. A test over no matches would prove nothing, so that throws. */
function found(pattern: RegExp): string[][] {
  const matches = new Map([...readme.matchAll(pattern)].map(([, ...groups]) => [groups.join(' '), groups]));
  if (matches.size === 0) throw new Error(`README.md has nothing that matches ${pattern}`);
  return [...matches.values()];
}

/** Which services publish a port by default, such as `127.0.0.1:${API_PORT:-3000}:3000`. */
const publishers = (port: string) =>
  Object.keys(services).filter((name) => services[name]?.ports?.some((published) => published.includes(`:-${port}}:`)));

describe('README.md', () => {
  it('has the configuration table that npm run docs:config prints', () => {
    expect(readme).toContain(`\n${renderConfigTable()}`);
  });

  it.each(found(/\bnpm run (?:--silent )?([a-z][a-z:]*)/g))('names a script that exists: npm run %s', (name) => {
    expect(scripts).toHaveProperty([name as string]);
  });

  it.each(found(/\]\((?!https?:|#)([^)]+)\)/g))('links to a file that exists: %s', (path) => {
    expect(existsSync(new URL(path as string, root))).toBe(true);
  });

  it.each(found(/`(GET|POST|PUT|DELETE) (\/[^`]*)`/g))(
    'names a route that the API documents: %s %s',
    (method, path) => {
      expect(operationOf(document, method as string, path as string)).toBeDefined();
    },
  );

  it('names every route that the API documents', () => {
    const documented = Object.entries(document.paths ?? {}).flatMap(([path, item]) =>
      Object.keys(item as object).map((method) => `\`${method.toUpperCase()} ${path}\``),
    );
    expect(documented.filter((route) => !readme.includes(route))).toEqual([]);
  });

  it.each(found(/http:\/\/127\.0\.0\.1:3000(\/[\w/.-]+)/g))('sends requests to a path of the API: %s', (path) => {
    expect(document.paths).toHaveProperty([path as string]);
  });

  it('lists the services of docker-compose.yml', () => {
    const listed = found(/^\| `([a-z-]+)` +\| (?:\d{4}| {4}) \|/gm).flat();
    expect(listed.sort()).toEqual(Object.keys(services).sort());
  });

  it.each(found(/^\| `([a-z-]+)` +\| (\d{4}) \|/gm))('says where %s listens, as it is: on %s', (name, port) => {
    expect(publishers(port as string)).toEqual([name]);
  });

  it.each(found(/(?:127\.0\.0\.1|localhost|on|port) ?:?(\d{4})\b/g))('names a published port: %s', (port) => {
    expect(publishers(port as string)).toHaveLength(1);
  });
});
