/** No text makes a regular expression run for minutes. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { maskCredentials } from '../../platform/mask.ts';
import { type FoundRegExp, regExpsOfSources } from '../helpers/hostile-regexps.ts';

const PROGRAM = fileURLToPath(new URL('../helpers/hostile-regexps.ts', import.meta.url));
/** Only one that does not end takes so long. */
const PATIENCE_MS = 150_000;

/** These need the square of their text's length in steps, and never see a long one of somebody else's. */
const BOUNDED: Readonly<Record<string, string>> = {
  'platform/mask.ts': 'texts are cut before',
  'activities/application-failure.ts': 'frames are cut before',
  'adapters/registry/ping.ts': 'an address of the configuration',
  'adapters/registry/client.ts': 'an address of the configuration',
  'platform/well-known-secrets.ts': 'a secret of the configuration',
};

/** The last line that the program said: `done`, or what it was at when it was ended. */
function lastWord(regExps: readonly FoundRegExp[], patienceMs: number): Promise<string> {
  return new Promise((resolve) => {
    execFile(process.execPath, [PROGRAM, JSON.stringify(regExps)], { timeout: patienceMs }, (_error, stdout) => {
      resolve(stdout.trim().split('\n').at(-1) ?? '');
    });
  });
}

describe('regular expressions', () => {
  it('of the product come to an end with nasty texts of 300,000 characters', { timeout: 200_000 }, async () => {
    const all = regExpsOfSources();
    expect(all.length).toBeGreaterThan(90);
    expect(
      await lastWord(
        all.filter(({ file }) => BOUNDED[file] === undefined),
        PATIENCE_MS,
      ),
    ).toBe('done');
  });

  it('that do not end are named', async () => {
    const bad = { source: '^(a+)+$', flags: 'u', file: 'bad.ts' };
    expect(await lastWord([bad], 2_000)).toBe('bad.ts /^(a+)+$/u');
  });

  it('that are bounded by what they are given are still there', () => {
    const files = new Set(regExpsOfSources().map(({ file }) => file));
    expect(Object.keys(BOUNDED).filter((file) => !files.has(file))).toEqual([]);
  });

  it('that mask credentials get no more than can be masked at once', () => {
    const text = `${'a:'.repeat(200_000)} postgres://user:secret@host`;
    expect(maskCredentials(text)).toBe('…');
    expect(maskCredentials(`word ${'x'.repeat(20_000)}`)).toBe('word …');
    expect(maskCredentials('postgres://user:secret@host/db')).toBe('postgres://***@host/db');
  });
});
