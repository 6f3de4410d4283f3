/** Files as logs: the only room that imports a client of S3. */
export type { S3Options } from './buckets.ts';
export { createFileDecoder } from './decoder.ts';
export { createFiles, type FileStore, type FilesOptions } from './files.ts';
export { createFileReader } from './reader.ts';
