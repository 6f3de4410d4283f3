/** Files below one folder. A path that leads out of it, by `..` or by a link, is refused. */
import { type BigIntStats, constants } from 'node:fs';
import { type FileHandle, open, readdir, readlink, realpath } from 'node:fs/promises';
import path from 'node:path';
import { Readable } from 'node:stream';
import { FileUnavailableError, type FoundFile, InvalidFileError } from '../../activities/file-ports.ts';
import { FileChangedError, type FilePlace } from './place.ts';

const SCHEME = 'file:///';
const READ_BYTES = 1024 ** 2;

export interface Folder extends FilePlace {
  /** Regular files of a folder and those below it, but for hidden ones. */
  list(folder: string, signal: AbortSignal): Promise<FoundFile[]>;
}

/** @param root null when none is configured: everything is refused */
export function createFolder(root: string | null): Folder {
  async function realRoot(): Promise<string> {
    if (root === null) {
      throw new InvalidFileError('no folder for files is configured: set BACKFILL_DIR for workers and API');
    }
    return realpath(root).catch((error) => {
      throw unavailable('the folder of BACKFILL_DIR', error);
    });
  }

  /** The file or folder that a path below the root really is. */
  async function resolve(below: string): Promise<{ top: string; real: string }> {
    const top = await realRoot();
    const wanted = path.resolve(top, below);
    if (!isWithin(top, wanted)) throw outside(below);
    const real = await realpath(wanted).catch((error) => {
      throw isMissing(error)
        ? new InvalidFileError(`there is no ${below} below the folder of BACKFILL_DIR`)
        : unavailable(below, error);
    });
    if (!isWithin(top, real)) throw outside(below);
    return { top, real };
  }

  async function openFile(uri: string): Promise<FileHandle> {
    const { top, real } = await resolve(pathOf(uri));
    // A link that is put there between the check and this is not followed.
    const file = await open(real, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch((error) => {
      throw unavailable(uri, error);
    });
    // Nor is one in place of a folder on the way, which the system would have followed.
    if (!isWithin(top, await placeOf(file, real))) {
      await file.close();
      throw outside(uri);
    }
    return file;
  }

  return {
    async list(folder, signal) {
      const { top, real } = await resolve(folder);
      const found: FoundFile[] = [];
      const entries = await readdir(real, { recursive: true, withFileTypes: true }).catch((error) => {
        throw error.code === 'ENOTDIR' ? new InvalidFileError(`${folder} is no folder`) : unavailable(folder, error);
      });
      for (const entry of entries) {
        signal.throwIfAborted();
        const below = path.relative(top, path.join(entry.parentPath, entry.name));
        if (isHidden(path.relative(real, path.join(entry.parentPath, entry.name)))) continue;
        if (!entry.isFile() && !entry.isSymbolicLink()) continue;
        const uri = uriOf(below);
        const state = await statOf(uri);
        if (state !== null) found.push({ uri, bytes: Number(state.size) });
      }
      return found;
    },

    async stat(uri) {
      const state = await statOf(uri);
      if (state === null) throw new InvalidFileError(`${uri} is no file`);
      return { uri, bytes: Number(state.size), stamp: stampOf(state) };
    },

    open: (uri, from, stamp) =>
      Readable.from(
        readOn(() => openFile(uri), uri, from, stamp),
        { highWaterMark: 1 },
      ),
  };

  /** null for what is no regular file, such as a folder that a link leads to. */
  async function statOf(uri: string): Promise<BigIntStats | null> {
    const file = await openFile(uri);
    try {
      const state = await file.stat({ bigint: true });
      return state.isFile() ? state : null;
    } finally {
      await file.close();
    }
  }
}

/** Where an open file really is: Linux tells that of the file itself, elsewhere its path is looked at once more. */
async function placeOf(file: FileHandle, real: string): Promise<string> {
  try {
    return await readlink(`/proc/self/fd/${file.fd}`);
  } catch {
    return realpath(real).catch(() => '');
  }
}

/** Each buffer is read between two looks at the file: one that is written to meanwhile is noticed. */
async function* readOn(
  openFile: () => Promise<FileHandle>,
  uri: string,
  from: number,
  stamp: string,
): AsyncGenerator<Buffer> {
  const file = await openFile();
  try {
    for (let position = from; ; ) {
      const bytes = Buffer.allocUnsafeSlow(READ_BYTES);
      const { bytesRead } = await file.read(bytes, 0, READ_BYTES, position);
      if (stampOf(await file.stat({ bigint: true })) !== stamp) throw new FileChangedError(uri);
      if (bytesRead === 0) return;
      position += bytesRead;
      yield bytes.subarray(0, bytesRead);
    }
  } catch (error) {
    throw error instanceof FileChangedError ? error : unavailable(uri, error);
  } finally {
    await file.close();
  }
}

/** The time of the last change of the inode can't be set back, other than that of the content. */
function stampOf({ size, mtimeNs, ctimeNs }: BigIntStats): string {
  return `${size} bytes, ${mtimeNs} ns, ${ctimeNs} ns`;
}

function isWithin(top: string, inner: string): boolean {
  return inner === top || inner.startsWith(top.endsWith(path.sep) ? top : top + path.sep);
}

function isHidden(below: string): boolean {
  return below.split(path.sep).some((part) => part.startsWith('.'));
}

function uriOf(below: string): string {
  return SCHEME + below.split(path.sep).map(encodeURIComponent).join('/');
}

function pathOf(uri: string): string {
  return uri.slice(SCHEME.length).split('/').map(decodeURIComponent).join(path.sep);
}

function outside(below: string): InvalidFileError {
  return new InvalidFileError(`${below} lies outside of the folder of BACKFILL_DIR`);
}

/** A name that is too long is the name of nothing, and links that go round lead to nothing. */
function isMissing(error: NodeJS.ErrnoException): boolean {
  return ['ENOENT', 'ENOTDIR', 'ENAMETOOLONG', 'ELOOP'].includes(error.code ?? '');
}

/** What a person must mend, or what may heal by itself. */
function unavailable(what: string, error: unknown): Error {
  const code = (error as NodeJS.ErrnoException).code ?? 'unknown';
  return code === 'EACCES' || code === 'EPERM'
    ? new InvalidFileError(`the worker may not read ${what} (${code})`)
    : new FileUnavailableError(`${what} can not be read (${code})`);
}
