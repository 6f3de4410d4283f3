/** A folder that becomes a link between the check of a path and the opening of the file: the moment is made certain here. */
import { mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, expect, it, onTestFinished, vi } from 'vitest';
import { folderOf } from '../unit/files/folder-harness.ts';

const hook = vi.hoisted(() => ({ beforeOpen: async (): Promise<void> => {} }));

vi.mock('node:fs/promises', async (importOriginal) => {
  const real = await importOriginal<typeof import('node:fs/promises')>();
  return {
    ...real,
    open: async (...args: Parameters<typeof real.open>) => {
      await hook.beforeOpen();
      return real.open(...args);
    },
  };
});

afterEach(() => {
  hook.beforeOpen = async () => {};
});

it('does not lead out of the folder of backfills', async () => {
  const { store, root } = await folderOf({ 'in/a.ndjson': '{"ours":1}\n' });
  const outside = await mkdtemp(path.join(tmpdir(), 'crm-outside-'));
  onTestFinished(() => rm(outside, { recursive: true, force: true }));
  await writeFile(path.join(outside, 'a.ndjson'), '{"secret":1}\n');
  const uri = 'file:///in/a.ndjson';
  const folder = store.placeOf(uri);
  expect(await folder.stat(uri)).toMatchObject({ bytes: 11 });

  hook.beforeOpen = async () => {
    hook.beforeOpen = async () => {};
    await rename(path.join(root, 'in'), path.join(root, 'away'));
    await symlink(outside, path.join(root, 'in'));
  };
  await expect(folder.stat(uri)).rejects.toThrow('lies outside');
});
