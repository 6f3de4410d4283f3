/** What comes into the product from elsewhere, and what in its sources could become a command or a statement. */
import { globSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { parseLock } from '../../../scripts/lib/bill-of-materials.ts';

const lock = parseLock(readFileSync('package-lock.json', 'utf8'));
const packages = Object.entries(lock.packages).filter(([place]) => place !== '');
const manifest = z
  .object({
    dependencies: z.record(z.string(), z.string()),
    devDependencies: z.record(z.string(), z.string()),
    allowScripts: z.record(z.string(), z.boolean()),
  })
  .parse(JSON.parse(readFileSync('package.json', 'utf8')));

const SOURCES = globSync(
  '{domain,workflows,activities,adapters,platform,workers,api,scripts,stack,bench}/**/*.{ts,mjs}',
);
const sources = SOURCES.map((file) => ({
  file,
  text: readFileSync(file, 'utf8').replaceAll(/^\s*(?:\/\/|\*|\/\*).*$/gmu, ''),
}));

/** `file: what` for each match of a pattern in the sources. */
function found(pattern: RegExp, where = (_file: string) => true): string[] {
  return sources
    .filter(({ file }) => where(file))
    .flatMap(({ file, text }) => [...text.matchAll(pattern)].map(([what]) => `${file}: ${what.trim()}`));
}

describe('packages', () => {
  it('are known by their hashes; those that are not are for other systems, and optional', () => {
    const unknown = packages.filter(([, { integrity }]) => integrity === undefined);
    const unexplained = unknown.filter(
      ([, { optional, cpu, os }]) =>
        optional !== true || (cpu?.includes(process.arch) !== false && os?.includes(process.platform) !== false),
    );
    const here = unexplained.filter(([place]) => !/-(?:musl|gnueabihf)$|musl$/u.test(place));
    expect(here.map(([place]) => place)).toEqual([]);
    expect(packages.length).toBeGreaterThan(300);
    for (const [place, { integrity }] of packages) expect(integrity ?? 'sha512-', place).toMatch(/^sha512-/);
  });

  it('come from the public registry alone', () => {
    const elsewhere = packages.filter(
      ([, { resolved }]) => resolved !== undefined && !resolved.startsWith('https://registry.npmjs.org/'),
    );
    expect(elsewhere.map(([place]) => place)).toEqual([]);
    const asked = Object.entries({ ...manifest.dependencies, ...manifest.devDependencies });
    expect(asked.filter(([, version]) => !/^\d+\.\d+\.\d+(?:-[\w.]+)?$/u.test(version))).toEqual([]);
  });

  it('run nothing when they are installed, but for those that are allowed to', () => {
    const running = packages.filter(([, { hasInstallScript }]) => hasInstallScript === true).map(([place]) => place);
    const names = new Set(running.map((place) => place.slice(place.lastIndexOf('node_modules/') + 13)));
    expect([...names].toSorted()).toEqual(Object.keys(manifest.allowScripts).toSorted());
  });
});

describe('sources', () => {
  it('are all looked at', () => {
    expect(SOURCES.length).toBeGreaterThan(400);
    expect(found(/\bspawn\(/gu).length).toBeGreaterThan(5);
  });

  it('start programs with lists of arguments, never by a shell', () => {
    expect(found(/\bexec(?:Sync)?\(\s*[`'"]|[{,\s]exec(?:Sync)?\s*[,}][^;]*from 'node:child_process'/gu)).toEqual([]);
    expect(found(/\bshell:\s*(?!false)[\w'"`]/gu)).toEqual([]);
    expect(found(/\b(?:spawn|execFile)(?:Sync)?\(\s*['"`](?:sh|bash|cmd|powershell)\b/gu)).toEqual([]);
    // A command is a name and a list; a template in its place would be a string that is taken apart.
    expect(found(/\b(?:spawn|execFile)(?:Sync)?\([^,()]*`[^`]* [^`]*`/gu)).toEqual([]);
  });

  it('start none where events are ingested and requests answered', () => {
    const product = /^(?:domain|workflows|activities|adapters|platform|workers|api)\//u;
    expect(found(/node:(?:child_process|cluster|vm|inspector|repl)/gu, (file) => product.test(file))).toEqual([]);
  });

  it('make no code of text', () => {
    expect(found(/\beval\(|\bnew Function\(|\bFunction\(\s*['"`]|\bnode:vm\b|\bimport\(\s*(?!['"])/gu)).toEqual([]);
  });
});

/** Names of tables, columns and partitions that become identifiers; slonik quotes them. None is of a request. */
const IDENTIFIERS = new Set([
  "'analytics', table",
  "'analytics', partition",
  "'analytics', staging.table",
  "'analytics', fallbackOf(table)",
  "'analytics', 'crm_events_log'",
  "'analytics_archive', name",
  "'analytics_archive', table",
  "'i', column",
  "'s', column",
  "'redrive_id'",
  "'replay_id'",
  // biome-ignore lint/suspicious/noTemplateCurlyInString: the text of a source, compared as it is
  '`old_${name}`',
  'column',
  'count',
  'name',
  'schema, name',
]);

/** What %s may stand for: a regclass, which is text that is quoted, or what a function has quoted. */
const QUOTED = /,\s*(?:secured\b|kept, source\b|analytics\.crm_detached\(archived\))/u;

describe('statements of SQL', () => {
  it('are templates, whose values become parameters, and never texts put together', () => {
    expect(found(/\bsql\.(?:unsafe|fragment)\b/gu).length).toBeGreaterThan(50);
    // Columns by the thousand: its text is of names, which it refuses unless they are plain words, and of types.
    expect(found(/(?<!typeof )\bsql\.(?:unsafe|fragment)\b(?!`)/gu)).toEqual([
      'adapters/postgres/rows.ts: sql.fragment',
    ]);
    expect(found(/\bsql\.type\([^`;]*\)(?=\()/gu)).toEqual([]);
    // Benchmarks write figures of their own into names and bounds.
    const notBench = (file: string) => !file.startsWith('bench/');
    expect(found(/SLONIK_TOKEN|\bsql\.literalValue\b|\.raw`|createSqlTag/gu, notBench)).toEqual([]);
  });

  it('have only identifiers that somebody has looked at', () => {
    const used = found(/\bsql\.identifier\(\[[^\]]*\]\)/gu, (file) => file.startsWith('adapters/')).map((line) =>
      line.replace(/^.*sql\.identifier\(\[/u, '').replace(/\]\)$/u, ''),
    );
    expect(used.length).toBeGreaterThan(20);
    expect(used.filter((names) => !IDENTIFIERS.has(names))).toEqual([]);
  });

  it('that the database puts together quote what they are given', () => {
    const migrations = globSync('migrations/*.sql').map((file) =>
      readFileSync(file, 'utf8').replaceAll(/--.*$/gmu, ''),
    );
    const executed = migrations.flatMap((text) => text.match(/\bEXECUTE\s+(?!FUNCTION|PROCEDURE|ON)[^;]*;/gu) ?? []);
    expect(executed.length).toBeGreaterThan(5);
    expect(executed.filter((statement) => /EXECUTE\s+'[^']*'\s*\|\|/u.test(statement))).toEqual([]);
    const asTheyAre = executed.filter((statement) => /%s/u.test(statement));
    expect(asTheyAre.filter((statement) => !QUOTED.test(statement))).toEqual([]);
  });
});
