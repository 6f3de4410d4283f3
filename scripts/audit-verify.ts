#!/usr/bin/env node
// Checks the signature of an audit's report, or the hashes of the audit log (see --help):
// npm run audit:verify -- report.json --key public.pem, and npm run audit:verify -- log.
import { createVerifyCommand } from './lib/verify-command.ts';

await createVerifyCommand((code) => {
  process.exitCode = code;
}).parseAsync();
