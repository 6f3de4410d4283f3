import { type Files, InvalidFileError } from '../activities/file-ports.ts';

/** About so much of a file is one piece of work. */
export const CHUNK_BYTES = 32 * 2 ** 20;

const refuse = () => Promise.reject(new InvalidFileError('no place for files is configured'));

/** Where backfills find their files. */
export function openFiles(): Files {
  return { list: refuse, scan: refuse };
}
