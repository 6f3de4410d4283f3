import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { describe, expect, it, vi } from 'vitest';
import { createProgram, understood } from '../../../bench/program.ts';
import { SUITES } from '../../../bench/suites/index.ts';

const contributing = readFileSync(new URL('../../../CONTRIBUTING.md', import.meta.url), 'utf8');
const names = SUITES.map(({ name }) => name);

/** What a command line prints, with the command that printed it. */
function typed(...words: string[]): string {
  const written: string[] = [];
  const quiet = (command: Command): Command =>
    command
      .exitOverride()
      .configureOutput({ writeOut: (text) => written.push(text), writeErr: (text) => written.push(text) });
  const program = quiet(createProgram(SUITES, () => Promise.reject(new Error('a suite was run'))));
  program.commands.forEach(quiet);
  try {
    program.parse(words, { from: 'user' });
  } catch (error) {
    expect(error).toMatchObject({ code: expect.stringMatching(/^commander\./) });
  }
  return written.join('');
}

describe('npm run bench', () => {
  it.each([['--help'], []])('lists every suite with its line: %s', (...words) => {
    const help = typed(...understood(words)).replace(/\s+/g, ' ');
    for (const { name, summary } of SUITES) expect(help).toContain(`${name} [options] ${summary}`);
  });

  it.each(names)('says what the suite %s can be told', (name) => {
    const help = typed(name, '--help');
    expect(help).toContain(`bench ${name} [options]`);
    for (const option of ['--database-url', '--note', '--keep', '--no-record']) expect(help).toContain(option);
  });

  it('refuses a suite that there is not', () => {
    expect(typed('qick')).toContain("unknown command 'qick'");
  });

  it('refuses numbers that are none', () => {
    expect(typed('limits', '--rounds', '0')).toContain('a whole number from 1 on is needed');
  });

  it('gives a suite its options, the defaults included', async () => {
    const run = vi.fn(async () => {});
    await createProgram(SUITES, run).parseAsync(['quick', '--rounds', '2', '--no-record'], { from: 'user' });
    const options = { rounds: 2, events: 100_000, record: false };
    expect(run.mock.calls).toEqual([[expect.objectContaining({ name: 'quick' }), options]]);
  });

  it('takes --quick for the suite quick, in the first place alone', () => {
    expect(understood(['--quick', '--update'])).toEqual(['quick', '--update']);
    expect(understood(['full', '--note', '--quick'])).toEqual(['full', '--note', '--quick']);
  });
});

describe('CONTRIBUTING.md', () => {
  it('lists the suites, in the order of --help', () => {
    const listed = [...contributing.matchAll(/^\| `([a-z]+)` +\|/gm)].map(([, name]) => name);
    expect(listed).toEqual(names);
  });
});
