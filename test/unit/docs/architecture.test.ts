import { globSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const architecture = readFileSync(`${root}ARCHITECTURE.md`, 'utf8');
const named = [...new Set([...architecture.matchAll(/`([\w./-]+\.ts)`/g)].map(([, name]) => name as string))];
const folders = '{activities,adapters,api,domain,platform,scripts,stack,test,workers,workflows}';
const files = globSync(`${folders}/**/*.ts`, { cwd: root });

it('ARCHITECTURE.md names files', () => expect(named).not.toEqual([]));

it.each(named)('ARCHITECTURE.md names a file that exists: %s', (name) => {
  expect(files.filter((file) => file === name || file.endsWith(`/${name}`))).not.toEqual([]);
});
