// `npm run bench -- <suite>`: ingestion measured, beside what limits it and beside its rival.
import { runCommand } from './command.ts';
import { createProgram, runSuite, understood } from './program.ts';
import { SUITES } from './suites/index.ts';

await runCommand(createProgram(SUITES, runSuite), understood(process.argv.slice(2)));
