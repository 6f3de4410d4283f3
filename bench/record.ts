// The block of a run: printed, and kept in RESULTS.md.
import { appendFile } from 'node:fs/promises';
import os from 'node:os';
import { fileURLToPath } from 'node:url';
import { withoutPassword } from '../stack/instance.ts';
import { describeOthers } from './report.ts';
import type { Block } from './suites/suite.ts';

const RESULTS = fileURLToPath(new URL('RESULTS.md', import.meta.url));

export interface BlockFacts {
  suite: string;
  note: string | null;
  /** As it was typed. */
  command: string;
  /** When, in ISO 8601 to the minute. */
  at: string;
  cores: number;
}

/** A dated block in Markdown. */
export function renderBlock({ paragraphs, versions, others }: Block, facts: BlockFacts): string {
  const { suite, note, command, at, cores } = facts;
  return `${[
    `## ${at}: ${suite}${note === null ? '' : `, ${note}`}`,
    `\`${command}\``,
    ...paragraphs,
    `${cores} cores; ${versions.join(', ')}.`,
    ...[describeOthers(others) ?? []].flat(),
  ].join('\n\n')}\n`;
}

/** Prints a block and, where it is to be kept, appends it to RESULTS.md. */
export async function record(
  suite: string,
  { note, record: kept }: { note?: string; record: boolean },
  block: Block,
): Promise<void> {
  const text = renderBlock(block, {
    suite,
    note: note ?? null,
    command: ['npm run bench --', ...process.argv.slice(2).map(withoutPassword).map(shellWord)].join(' '),
    at: new Date().toISOString().slice(0, 16).replace('T', ' '),
    cores: os.availableParallelism(),
  });
  console.log(`\n${text}`);
  if (!kept) return;
  await appendFile(RESULTS, `\n${text}`);
  console.log('appended to bench/RESULTS.md');
}

const shellWord = (text: string) => (/^[\w./:=-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);
