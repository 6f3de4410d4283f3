import type { Readable } from 'node:stream';
import type { FoundFile } from '../../activities/file-ports.ts';

/** Where files are kept: a folder, or S3-compatible storage. */
export interface FilePlace {
  /** @throws FileUnavailableError, InvalidFileError when the file is not there */
  stat(uri: string): Promise<FileState>;
  /**
   * The content as it is stored, from a byte on; asked for with the first read. The stream fails with
   * FileUnavailableError when it breaks, with InvalidFileError when the file is not there, and with FileChangedError
   * when it is no longer the one of the stamp.
   */
  open(uri: string, from: number, stamp: string): Readable;
}

export interface FileState extends FoundFile {
  stamp: string;
}

/** The file is another one than it was a moment ago. */
export class FileChangedError extends Error {
  override readonly name = 'FileChangedError';
  constructor(uri: string) {
    super(`${uri} was changed while it was read`);
  }
}
