import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { sql } from 'slonik';
import { expect, it, onTestFinished } from 'vitest';
import { anEntry, KEY, openLog, writerOver } from './audit-trail-harness.ts';

const run = promisify(execFile);

/** The command as people run it, over a log of some entries. */
async function openCommand(entries: number, key: string | null) {
  const log = await openLog(entries, key);
  const folder = await mkdtemp(join(tmpdir(), 'crm-audit-log-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const file = async (name: string, content: string) => {
    await writeFile(join(folder, name), `${content}\n`);
    return join(folder, name);
  };
  const keyFile = key === null ? '' : await file('key', key);
  return {
    ...log,
    file,
    command: (args: string[] = [], env: Record<string, string> = {}) =>
      run(process.execPath, ['scripts/audit-verify.ts', 'log', ...args], {
        env: { PATH: process.env.PATH, DATABASE_URL: log.url, AUDIT_CHAIN_KEY_FILE: keyFile, ...env },
      }),
  };
}

it('verifies a log over several pages, shows how far it is, and names the first entry that is broken', async () => {
  const { pool, command, tamper, places, trail } = await openCommand(0, KEY);
  const principals = Array.from({ length: 5_200 }, (_, n) => `person ${n}`);
  await Promise.all(principals.map((principal) => trail.append(anEntry({ principal }))));
  const noted = places.at(-1)!;
  const { stdout, stderr } = await command(['--expect', `${noted.sequence}:${noted.hash}`]);
  expect(stdout).toMatch(/^entries 1 to 5200 were looked at, of .*\nthe audit log is as it was written\n$/u);
  expect(stderr).toBe('5000 of 5200 entries\n5200 of 5200 entries\n');

  await pool.query(sql.unsafe`SELECT 1`);
  await tamper("UPDATE analytics.crm_audit_log SET principal = 'nobody' WHERE sequence IN (5100, 5150)");
  await expect(command()).rejects.toMatchObject({
    code: 1,
    stdout: expect.stringContaining('BROKEN: entry 5100 is not as it was written'),
  });
});

it('takes older keys besides the one that is configured', async () => {
  const { pool, command, file } = await openCommand(3, KEY);
  await writerOver(pool, 'a newer key of the audit log for tests').trail.append(anEntry());
  const newer = await file('newer', 'a newer key of the audit log for tests');
  const older = await file('older', KEY);
  expect((await command(['--key', older], { AUDIT_CHAIN_KEY_FILE: newer })).stdout).toContain('as it was written');
  await expect(command([], { AUDIT_CHAIN_KEY_FILE: newer })).rejects.toMatchObject({
    code: 1,
    stdout: expect.stringMatching(/entry 1 was hashed with the key [0-9a-f]{16}, which is not given/u),
  });
});

it('says what a log without a key can not tell', async () => {
  const { command } = await openCommand(2, null);
  expect((await command()).stdout).toContain('2 of them are without a key: whoever may change all of them');
});

it('tells a log that can not be read from one that is broken', async () => {
  const { command } = await openCommand(1, KEY);
  await expect(command([], { DATABASE_URL: 'postgres://127.0.0.1:1/none' })).rejects.toMatchObject({ code: 2 });
  await expect(command(['--key', '/does/not/exist'])).rejects.toMatchObject({
    code: 2,
    stderr: expect.stringContaining('/does/not/exist can not be read'),
  });
  await expect(command(['--expect', 'abc'])).rejects.toMatchObject({ stderr: expect.stringContaining('a colon') });
});

it('shows how it is used', async () => {
  const { stdout } = await run(process.execPath, ['scripts/audit-verify.ts', 'log', '--help']);
  expect(stdout).toContain('--expect <sequence:hash>');
  expect(stdout).toContain('Exit code 1');
  const report = run(process.execPath, ['scripts/audit-verify.ts', 'report.json']);
  await expect(report).rejects.toMatchObject({ code: 1, stderr: expect.stringContaining("'--key <file>'") });
});
