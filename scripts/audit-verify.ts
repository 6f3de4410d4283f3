#!/usr/bin/env node
// Checks the signature of an audit's report: npm run audit:verify -- report.json --key public.pem (see --help).
import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { verifyAudit } from './lib/verify-audit.ts';

const command = new Command('audit:verify')
  .description('Checks that the report of an audit is as it was signed.')
  .argument('<report>', 'file with the answer of GET /api/v1/crm-ingestion/audits/{id}')
  .requiredOption('--key <file>', 'public key in PEM; openssl pkey -in private.pem -pubout -out public.pem makes it')
  .addHelpText(
    'after',
    `
Exit code 0: the signature is that of the report and of the key. Exit code 1: it is not, or the report is not signed.
What the audit found is printed either way; findings are no reason for exit code 1.`,
  );
command.parse();

const [path] = command.args as [string];
const { key } = command.opts<{ key: string }>();
try {
  const { valid, lines } = verifyAudit(read(path), read(key));
  for (const line of lines) {
    console.log(line);
  }
  process.exitCode = valid ? 0 : 1;
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    throw new Error(`${file} can not be read`);
  }
}
