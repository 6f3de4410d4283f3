import { createHash } from 'node:crypto';
import type { FilePlace } from './place.ts';

/** Which version of a file has which stamp: a file whose stamp is known is not read again to tell its version. */
export interface FileVersions {
  learn(uri: string, known: { stamp: string; version: string }): void;
  /** The file as it is now. @throws FileUnavailableError, InvalidFileError, FileChangedError when it changes meanwhile */
  now(uri: string): Promise<{ stamp: string; version: string }>;
  /** The stamp that a version has by now: the same file may get another time. null where it is not known. */
  stampOf(uri: string, version: string): string | null;
}

/** Files that are remembered; more are read again. */
const MOST_FILES = 10_000;

export function createFileVersions(placeOf: (uri: string) => FilePlace): FileVersions {
  const known = new Map<string, { stamp: string; version: string }>();
  const asking = new Map<string, Promise<string>>();

  function learn(uri: string, found: { stamp: string; version: string }): void {
    if (known.size >= MOST_FILES) known.clear();
    known.set(uri, found);
  }

  /** Lanes that ask at the same time share one reading. */
  function hashed(uri: string, stamp: string): Promise<string> {
    const key = `${stamp} ${uri}`;
    const found = asking.get(key) ?? hashOf(placeOf(uri), uri, stamp).finally(() => asking.delete(key));
    asking.set(key, found);
    return found;
  }

  return {
    learn,
    async now(uri) {
      const { stamp } = await placeOf(uri).stat(uri);
      const last = known.get(uri);
      if (last?.stamp === stamp) return last;
      const found = { stamp, version: await hashed(uri, stamp) };
      learn(uri, found);
      return found;
    },
    stampOf(uri, version) {
      const last = known.get(uri);
      return last?.version === version ? last.stamp : null;
    },
  };
}

async function hashOf(place: FilePlace, uri: string, stamp: string): Promise<string> {
  const hash = createVersionHash();
  for await (const bytes of place.open(uri, 0, stamp)) hash.update(bytes as Buffer);
  return hash.digest('hex');
}

/** Of the content as it is stored. */
export function createVersionHash() {
  return createHash('sha256');
}
