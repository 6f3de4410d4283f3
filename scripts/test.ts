// npm test: type check, lint and format, then the whole suite with coverage on real servers. Arguments go to vitest.
// Closes with one line, `N passed, N failed`.
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

interface Report {
  numPassedTests: number;
  numFailedTests: number;
  numPendingTests: number;
  testResults: Array<{ status: string; assertionResults: unknown[] }>;
}

/** Runs a command with our terminal. @returns its exit code; 1 where a signal ended it */
function run(command: string, args: string[]): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: 'inherit' });
    child.once('error', reject);
    child.once('exit', (code) => resolve(code ?? 1));
  });
}

const scratch = await mkdtemp(join(tmpdir(), 'crm-test-'));
const reportFile = join(scratch, 'report.json');
const checked = await run('npm', ['run', '--silent', 'check']);
const tested = await run('vitest', [
  'run',
  '--coverage',
  '--reporter=default',
  '--reporter=json',
  `--outputFile.json=${reportFile}`,
  ...process.argv.slice(2),
]);

const report = await readFile(reportFile, 'utf8').then(
  (text) => JSON.parse(text) as Report,
  () => null,
);
await rm(scratch, { recursive: true, force: true });
const passed = report?.numPassedTests ?? 0;
// A file that failed before its first test, a crash of the runner and a failed check count as failures too.
const brokenFiles =
  report?.testResults.filter((file) => file.status === 'failed' && file.assertionResults.length === 0).length ?? 0;
const unexplained = tested !== 0 && (report?.numFailedTests ?? 0) + brokenFiles === 0 ? 1 : 0;
const failed = (report?.numFailedTests ?? 0) + brokenFiles + unexplained + (checked === 0 ? 0 : 1);
if (checked !== 0) {
  console.error('npm run check found problems, see above');
}
const skipped = report?.numPendingTests ?? 0;
console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`);
process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
