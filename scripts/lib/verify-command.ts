/** What audit:verify takes: the report of an audit, or the command `log` for the audit log. */
import { readFileSync } from 'node:fs';
import { Command, InvalidArgumentError } from 'commander';
import { createDatabasePool } from '../../adapters/postgres/pool.ts';
import type { Link } from '../../domain/audit-trail.ts';
import { EVENT_TYPES } from '../../domain/events.ts';
import { loadConfig } from '../../platform/config.ts';
import { verifyAudit } from './verify-audit.ts';
import { verifyTrail } from './verify-trail.ts';

/** @param exit takes the exit code */
export function createVerifyCommand(exit: (code: number) => void): Command {
  const command = new Command('audit:verify')
    .description('Checks that the report of an audit is as it was signed, or that the audit log is as it was written.')
    // The command `log` has a --key of its own.
    .enablePositionalOptions()
    .argument('<report>', 'file with the answer of GET /api/v1/crm-ingestion/audits/{id}')
    .option('--key <file>', 'public key in PEM; openssl pkey -in private.pem -pubout -out public.pem makes it')
    .addHelpText(
      'after',
      `
Exit code 0: the signature is that of the report and of the key. Exit code 1: it is not, or the report is not signed.
What the audit found is printed either way; findings are no reason for exit code 1.
Of the audit log tells: audit:verify log --help`,
    )
    .action((report: string, { key }: { key?: string }) => {
      if (key === undefined) return command.error("error: required option '--key <file>' not specified");
      exit(failingWith(1, () => checkReport(report, key)));
    });

  command
    .command('log')
    .description('Checks that no entry of the audit log was changed, removed, added or moved.')
    .option(
      '--key <file>',
      'a key that hashes were made with before that of AUDIT_CHAIN_KEY_FILE; may be repeated',
      more,
    )
    .option('--expect <sequence:hash>', 'a place that "the audit log stands" told in the logs; may be repeated', place)
    .addHelpText(
      'after',
      `
Asks the PostgreSQL of DATABASE_URL, and reads alone.
Exit code 0: all entries are as they were written. Exit code 1: they are not; the first that is not is named.
Exit code 2: the log could not be read.`,
    )
    .action(async (options: LogOptions) => {
      exit(await checkLog(options).catch((error: unknown) => failingWith(2, () => raise(error))));
    });
  return command;
}

interface LogOptions {
  key?: string[];
  expect?: Link[];
}

function more(value: string, before: string[] = []): string[] {
  return [...before, value];
}

function place(value: string, before: Link[] = []): Link[] {
  const [, sequence, hash] = /^(\d{1,15}):([0-9a-f]{64})$/u.exec(value) ?? [];
  if (sequence === undefined || hash === undefined) {
    throw new InvalidArgumentError('expected a number, a colon and 64 hexadecimal digits');
  }
  return [...before, { sequence: Number(sequence), hash }];
}

function checkReport(path: string, key: string): number {
  const { valid, lines } = verifyAudit(read(path), read(key));
  for (const line of lines) console.log(line);
  return valid ? 0 : 1;
}

async function checkLog({ key: older = [], expect: expected = [] }: LogOptions): Promise<number> {
  const { postgres, auditLog } = loadConfig(process.env, EVENT_TYPES);
  const keys = [...(auditLog.key === null ? [] : [auditLog.key]), ...older.map((file) => read(file).trim())];
  const pool = await createDatabasePool({ ...postgres, poolSize: 1, applicationName: 'crm-audit-verify' });
  try {
    const { broken, notes } = await verifyTrail(pool, { keys, expected, progress });
    for (const note of notes) console.log(note);
    console.log(broken === null ? 'the audit log is as it was written' : `BROKEN: ${broken}`);
    return broken === null ? 0 : 1;
  } finally {
    await pool.end();
  }
}

/** Away from what is printed for good; on a terminal in one line. */
function progress(done: number, of: number): void {
  const text = `${done} of ${of} entries`;
  process.stderr.write(process.stderr.isTTY ? `\r${text}${done === of ? '\n' : ''}` : `${text}\n`);
}

function failingWith(code: number, work: () => number): number {
  try {
    return work();
  } catch (error) {
    console.error(error instanceof Error ? error.message : String(error));
    return code;
  }
}

function raise(error: unknown): never {
  throw error;
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    throw new Error(`${file} can not be read`);
  }
}
