// npm run test:faults: the fault suite. Each scenario prints what it found; --record keeps the table in bench/FAULTS.md.
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { type FaultReport, renderRecord, renderTable } from './lib/fault-table.ts';

const RECORD = 'bench/FAULTS.md';

interface Options {
  long: boolean;
  seed: string;
  rate: string;
  only?: string;
  record: boolean;
}

const options = new Command('npm run test:faults --')
  .description(
    'Lets workers and servers be killed, stopped, cut off and run out of disk under a steady load whose every event is known, and demands that nothing is lost or doubled. Exit code 1 otherwise.',
  )
  .option('--long', 'many rounds of each fault, and those that the short form leaves out', false)
  .option('--seed <text>', 'the same seed gives the same events, moments and choices', '1')
  .option('--rate <n>', 'events per second', '2000')
  .option('--only <text>', 'the tests whose title holds this text')
  .option('--record', `write the table to ${RECORD}`, false)
  .parse()
  .opts<Options>();

const scratch = await mkdtemp(join(tmpdir(), 'crm-faults-'));
const reportFile = join(scratch, 'report.ndjson');
const code = await runTests(options, reportFile);
const reports = await readReports(reportFile);
await rm(scratch, { recursive: true, force: true });

console.log(`\n${renderTable(reports)}`);
process.exitCode = code === 0 && reports.length > 0 ? 0 : 1;
if (options.record && process.exitCode === 0) {
  const command = ['npm run test:faults --', ...process.argv.slice(2)].join(' ');
  await writeFile(RECORD, renderRecord(reports, { command, date: new Date(), rate: Number(options.rate) }));
  console.log(`written to ${RECORD}`);
} else if (options.record) {
  console.error(`${RECORD} is left as it was, since not all went well`);
}

/** @returns the exit code of vitest; 1 where a signal ended it */
function runTests({ long, seed, rate, only }: Options, report: string): Promise<number> {
  const form = long ? 'long' : 'short';
  // One scenario at a time: what is measured is how long it takes to recover.
  const tests = ['run', 'test/faults/', '--maxWorkers=1', ...(only === undefined ? [] : ['-t', only])];
  const child = spawn('vitest', tests, {
    stdio: 'inherit',
    env: { ...process.env, FAULTS_FORM: form, FAULTS_SEED: seed, FAULTS_RATE: rate, FAULTS_REPORT: report },
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (exitCode) => resolve(exitCode ?? 1));
  });
}

async function readReports(file: string): Promise<FaultReport[]> {
  const text = await readFile(file, 'utf8').catch(() => '');
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as FaultReport);
}
