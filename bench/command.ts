// What the commands of the benchmarks share.
import { type Command, InvalidArgumentError } from 'commander';

/** @throws InvalidArgumentError for what is no whole number from 1 on */
export function positive(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1) throw new InvalidArgumentError('a whole number from 1 on is needed.');
  return value;
}

/** Runs a command; what goes wrong is one line and the exit code 1. @param words what was typed behind its name */
export async function runCommand(program: Command, words: readonly string[] = process.argv.slice(2)): Promise<void> {
  try {
    await program.parseAsync(words, { from: 'user' });
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  }
}
