import { existsSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { LONGEST_KNOWN } from '../../../adapters/registry/known-texts.ts';
import { VARIABLES } from '../../../platform/variables.ts';
import { renderPiiTable } from '../../../scripts/lib/pii-table.ts';

const docs = readFileSync(new URL('../../../docs/PERSONAL-DATA.md', import.meta.url), 'utf8');

it('docs/PERSONAL-DATA.md has the table of the catalogue', () => {
  expect(docs).toContain(`\n${renderPiiTable()}`);
});

it('docs/PERSONAL-DATA.md names files and variables that exist', () => {
  const files = [...docs.matchAll(/`((?:domain|platform|adapters|test)\/[\w./-]+)`/g)].map(([, path]) => path);
  expect(files.length).toBeGreaterThan(3);
  expect(files.filter((path) => !existsSync(new URL(`../../../${path}`, import.meta.url)))).toEqual([]);
  const variables = [...docs.matchAll(/`((?:DATA|TEMPORAL|DATABASE|REDIS)_[A-Z_]+)`/g)].map(([, name]) => name ?? '');
  expect(variables.filter((name) => !(name in VARIABLES) && !(name.replace(/_FILE$/, '') in VARIABLES))).toEqual([]);
  expect(docs).toContain(`up to ${LONGEST_KNOWN} bytes`);
});
