import {
  type CompileAvro,
  type FileFormat,
  type Files,
  FileUnavailableError,
  InvalidFileError,
} from '../../activities/file-ports.ts';
import { type Buckets, createBuckets, type S3Options } from './buckets.ts';
import { createFolder } from './folder.ts';
import { FileChangedError, type FilePlace } from './place.ts';
import { scanFile } from './scan.ts';
import { createFileVersions, type FileVersions } from './versions.ts';

export interface FilesOptions {
  /** The folder below which all files must be; null refuses folders. */
  root: string | null;
  s3: S3Options;
  compileAvro: CompileAvro;
}

/** The places of files; make one per process, and share it between lanes. */
export interface FileStore extends Files {
  placeOf(uri: string): FilePlace;
  versions: FileVersions;
  compileAvro: CompileAvro;
  close(): void;
}

/** How names of files end, before the ending of their compression. */
const ENDINGS: Readonly<Record<FileFormat, readonly string[]>> = {
  ndjson: ['.ndjson', '.jsonl'],
  csv: ['.csv', '.tsv'],
  avro: ['.avro'],
};
const COMPRESSIONS = ['', '.gz', '.zst'];

export function createFiles({ root, s3, compileAvro }: FilesOptions): FileStore {
  const folder = createFolder(root);
  let opened: Buckets | null = null;
  const buckets = (): Buckets => {
    opened ??= createBuckets(s3);
    return opened;
  };
  const placeOf = (uri: string) => (uri.startsWith('s3:') ? buckets() : folder);
  const versions = createFileVersions(placeOf);

  return {
    async list(location, format, signal) {
      const all =
        'folder' in location
          ? await folder.list(location.folder, signal)
          : await buckets().list(location.bucket, location.prefix, signal);
      const endings = ENDINGS[format].flatMap((ending) => COMPRESSIONS.map((compression) => ending + compression));
      const found = all.filter(({ uri }) => endings.some((ending) => uri.endsWith(ending)));
      if (found.length === 0) {
        throw new InvalidFileError(`there is no file whose name ends with ${endings.join(', ')} at that place`);
      }
      return found.sort((a, b) => (a.uri < b.uri ? -1 : 1));
    },

    async scan(file, reading, options) {
      try {
        const scanned = await scanFile(placeOf(file.uri), compileAvro, file, reading, options);
        versions.learn(file.uri, scanned);
        return scanned;
      } catch (error) {
        if (error instanceof FileChangedError) {
          throw new FileUnavailableError(`${error.message}: it is read once nobody writes to it any more`);
        }
        throw error instanceof InvalidFileError ? new InvalidFileError(`${file.uri}: ${error.message}`) : error;
      }
    },

    placeOf,
    versions,
    compileAvro,
    close: () => opened?.close(),
  };
}
