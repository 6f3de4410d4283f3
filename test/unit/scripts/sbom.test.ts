import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it, onTestFinished } from 'vitest';
import {
  billSchema,
  delivered,
  faultsOf,
  isAllowed,
  licenceOf,
  nameAt,
  parseLock,
  READ_BY_HAND,
} from '../../../scripts/lib/bill-of-materials.ts';

const run = promisify(execFile);
const component = (name: string, licence?: string) => ({
  'bom-ref': `${name}@1.0.0`,
  name,
  version: '1.0.0',
  ...(licence !== undefined && { licenses: [{ license: { id: licence } }] }),
});
const billOf = (...components: object[]) =>
  billSchema.parse({ bomFormat: 'CycloneDX', specVersion: '1.5', components, dependencies: [] });
const lockOf = (packages: Record<string, object>) => parseLock(JSON.stringify({ packages }));

describe('a bill of materials', () => {
  it('of this product has everything that is delivered, with its licence', async () => {
    const folder = await mkdtemp(path.join(tmpdir(), 'crm-sbom-'));
    onTestFinished(() => rm(folder, { recursive: true }));
    const file = path.join(folder, 'sbom.json');
    await run(process.execPath, ['scripts/sbom.ts', file]);
    const bill = billSchema.parse(JSON.parse(await readFile(file, 'utf8')));
    const { dependencies } = JSON.parse(readFileSync('package.json', 'utf8')) as { dependencies: object };
    const names = bill.components.map(({ name }) => name);
    expect(names).toEqual(expect.arrayContaining(Object.keys(dependencies)));
    expect(names).not.toContain('vitest');
    for (const name of Object.keys(READ_BY_HAND)) expect(names).toContain(name);
  });

  it('says what is missing, and which licence nobody has looked at', () => {
    const lock = lockOf({
      '': {},
      'node_modules/a': { version: '1.0.0' },
      'node_modules/b': { version: '1.0.0' },
      'node_modules/c': { version: '1.0.0', dev: true },
      'node_modules/d': { version: '1.0.0', optional: true },
    });
    expect(faultsOf(billOf(component('a', 'GPL-3.0'), component('e')), lock)).toEqual([
      'b@1.0.0 is missing',
      'a@1.0.0 has the licence GPL-3.0, which nobody has looked at',
      'e@1.0.0 does not say its licence',
    ]);
  });

  it('leaves out what serves development alone, also where others name it', () => {
    const lock = lockOf({ 'node_modules/a': { version: '1.0.0' }, 'node_modules/b': { version: '1.0.0', dev: true } });
    const whole = {
      ...billOf(component('a', 'MIT'), component('b', 'MIT')),
      dependencies: [{ ref: 'a@1.0.0', dependsOn: ['b@1.0.0'] }, { ref: 'b@1.0.0' }],
    };
    const bill = delivered(whole, lock);
    expect(bill.components.map(({ name }) => name)).toEqual(['a']);
    expect(bill.dependencies).toEqual([{ ref: 'a@1.0.0', dependsOn: [] }]);
  });

  it.each([
    ['MIT', true],
    ['(MIT OR GPL-3.0)', true],
    ['Apache-2.0 AND MIT', true],
    ['Apache-2.0 AND GPL-2.0', false],
    ['MPL-2.0', false],
    ['', false],
  ])('may have the licence %j: %s', (expression, allowed) => {
    expect(isAllowed(expression)).toBe(allowed);
  });

  it('takes licences from expressions, and from what was read by hand', () => {
    expect(licenceOf({ ...component('a'), licenses: [{ expression: 'MIT OR ISC' }] })).toBe('MIT OR ISC');
    expect(licenceOf(component('unionfs'))).toBe('Unlicense');
    expect(nameAt('node_modules/a/node_modules/@b/c')).toBe('@b/c');
  });
});
