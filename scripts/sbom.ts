/**
 * Writes the bill of materials of what is delivered (CycloneDX, as npm makes it) to sbom.cdx.json or the file that is
 * named, and fails when a package is missing or its licence is none of those that were looked at.
 */
import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { argv, stderr, stdout } from 'node:process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { billSchema, delivered, faultsOf, parseLock } from './lib/bill-of-materials.ts';

const run = promisify(execFile);
const root = fileURLToPath(new URL('..', import.meta.url));
const MOST_BYTES = 64 * 1024 ** 2;

const target = argv[2] ?? 'sbom.cdx.json';
const { stdout: made } = await run('npm', ['sbom', '--sbom-format', 'cyclonedx'], { cwd: root, maxBuffer: MOST_BYTES });
const lock = parseLock(await readFile(`${root}package-lock.json`, 'utf8'));
const bill = delivered(billSchema.parse(JSON.parse(made)), lock);
const faults = faultsOf(bill, lock);
for (const fault of faults) stderr.write(`${fault}\n`);
await writeFile(target, `${JSON.stringify(bill, null, 2)}\n`);
stdout.write(`${bill.components.length} packages in ${target}\n`);
process.exitCode = faults.length === 0 ? 0 : 1;
