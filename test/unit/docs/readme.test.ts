import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { renderConfigTable } from '../../../platform/config-docs.ts';
import { createTestApp } from '../api/app-under-test.ts';

const ROOT = new URL('../../../', import.meta.url);
const read = (path: string) => readFileSync(new URL(path, ROOT), 'utf8');
const readme = read('README.md');

/** What stands in backquotes or code blocks, where commands and routes are. */
const found = (pattern: RegExp) => [...new Set([...readme.matchAll(pattern)].map(([, name]) => name as string))];

describe('the README', () => {
  it('has the configuration table that the variables give', () => {
    expect(readme).toContain(renderConfigTable().trim());
  });

  it('names npm scripts that exist', () => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
    const named = found(/npm run (?:--silent )?([a-z:]+)/g);
    expect(named.length).toBeGreaterThan(5);
    expect(named.filter((name) => scripts[name] === undefined)).toEqual([]);
  });

  it('links to files that exist', () => {
    const links = found(/\]\((?!https?:)([^)#]+)/g);
    expect(links.length).toBeGreaterThan(3);
    expect(links.filter((link) => !existsSync(new URL(link, ROOT)))).toEqual([]);
  });

  it('names routes that the API has, and all of them', async () => {
    const { app } = createTestApp();
    const response = await app.request('/openapi.json');
    const { paths } = (await response.json()) as { paths: Record<string, unknown> };
    const table = readme.slice(readme.indexOf('| Route |'), readme.indexOf('Lag, with'));
    const named = [...table.matchAll(/`(?:GET |POST |PUT )?(\/[^`]*)`/g)].map(([, path]) => path as string);
    const full = named.map((path) => (paths[path] === undefined ? `/api/v1/crm-ingestion${path}` : path));
    expect(full.toSorted()).toEqual(Object.keys(paths).toSorted());
  });

  it('names ports that docker-compose.yml publishes', () => {
    const { services } = parse(read('docker-compose.yml')) as { services: Record<string, { ports?: string[] }> };
    const published = Object.values(services).flatMap(({ ports = [] }) => ports.map((port) => port.split(':').at(-1)));
    const named = found(/(?:127\.0\.0\.1|localhost):(\d+)/g);
    expect(named.length).toBeGreaterThan(2);
    expect(named.filter((port) => !published.includes(port) && port !== '9093')).toEqual([]);
    expect(Object.keys(services)).toEqual(
      expect.arrayContaining(['kafka', 'schema-registry', 'temporal', 'postgres', 'redis', 'migrate', 'worker', 'api']),
    );
  });
});
