/** Regular expressions of the sources, and texts that make bad ones look ahead from every character to the end. */
import { globSync, readFileSync } from 'node:fs';
import { argv } from 'node:process';
import { fileURLToPath } from 'node:url';

export interface FoundRegExp {
  source: string;
  flags: string;
  file: string;
}

const COMMENTS = /^\s*(?:\/\/|\*|\/\*).*$/gmu;
/** A literal, behind what can't end an expression. */
const LITERAL =
  /(?<=[(=,:[!&|?{};\s]|return )\/((?:[^/\\\n[*]|\\.|\[(?:[^\]\\\n]|\\.)*\])(?:[^/\\\n[]|\\.|\[(?:[^\]\\\n]|\\.)*\])*)\/([dgimsuvy]*)(?=[.,;)\]\s])/gu;

/** All literals, each once; those of tests and scripts see no outside input. */
export function regExpsOfSources(): FoundRegExp[] {
  const found = new Map<string, FoundRegExp>();
  for (const file of globSync('{domain,activities,adapters,api,platform,workflows,workers}/**/*.ts')) {
    for (const [, source = '', flags = ''] of readFileSync(file, 'utf8').replaceAll(COMMENTS, '').matchAll(LITERAL)) {
      if (isRegExp(source, flags)) found.set(`${file} /${source}/${flags}`, { source, flags, file });
    }
  }
  return [...found.values()];
}

/** What only looks like one, such as two divisions, may not be one. */
function isRegExp(source: string, flags: string): boolean {
  try {
    return new RegExp(source, flags) instanceof RegExp;
  } catch {
    return false;
  }
}

/** One that needs as many steps as the square of this never ends. */
const LENGTH = 300_000;
const PIECES = [
  'a',
  'A',
  '0',
  ' ',
  '-',
  '@',
  '.',
  '/',
  '\\',
  '"',
  '\n',
  ',',
  ':',
  '_',
  '(',
  'é',
  'a.',
  'a@',
  'a-',
  '0-',
  'a/',
  '://',
];

function tryNasty({ source, flags }: FoundRegExp): void {
  const words = [...new Set(source.match(/[a-z]{2,12}/giu) ?? [])].slice(0, 5);
  for (const piece of [...PIECES, ...words]) {
    const text = `${piece.repeat(Math.ceil(LENGTH / piece.length))}\0`;
    text.replace(new RegExp(source, flags.replace('y', '')), '');
  }
}

// As a program of its own, so that one that does not end can be ended: it says what it is at.
if (argv[1] === fileURLToPath(import.meta.url)) {
  for (const found of JSON.parse(argv[2] ?? '[]') as FoundRegExp[]) {
    process.stdout.write(`${found.file} /${found.source}/${found.flags}\n`);
    tryNasty(found);
  }
  process.stdout.write('done\n');
}
