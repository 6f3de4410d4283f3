/**
 * Files as logs: a file is a topic `file:<uri>` with the one partition 0, its offsets are line numbers counted from 1
 * (record numbers in Avro container files), and what tells it from the file that it was before is its version. So the
 * lane, the positions and the ledger treat a range of a file like any other. Nothing here names a client library.
 */
import type { EventJson } from '../domain/event-json.ts';

export type FileFormat = 'ndjson' | 'csv' | 'avro';

/** Where files are: a folder below the configured one, or a bucket with an optional prefix. */
export type FileLocation = { folder: string } | { bucket: string; prefix: string };

/** Which column of a CSV file fills which field of an event, by its header. Columns that are not named are left out. */
export type CsvMapping = Readonly<Record<string, CsvTarget>>;

/** A field of the envelope, or one of the data or metadata, for example `data.email`. Cells without a text fill nothing. */
export type CsvTarget = Exclude<keyof EventJson, 'data' | 'metadata'> | `data.${string}` | `metadata.${string}`;

export interface FileReading {
  format: FileFormat;
  /** With `csv` only: how rows become events. */
  csv: { mapping: CsvMapping; delimiter: string; constants: Readonly<Record<string, string>> } | null;
}

/** A file as it was found. Its compression is told by its name: `.gz`, `.zst`, or neither. */
export interface FoundFile {
  /** `file:///` and the path below the configured folder, or `s3://bucket/key`. */
  uri: string;
  bytes: number;
}

/** A piece of a file that can be read by itself. */
export interface FileChunk {
  /** Offsets, see above. */
  from: number;
  /** Exclusive. */
  to: number;
  /** Where its first record begins, in bytes of the stored file; 0 in a compressed file, which is read from its start. */
  byte: number;
}

/** Begins the names of all topics that are files; no topic of Kafka may have a colon in its name. */
const FILE_TOPIC = 'file:';

/** Whether a topic is a file. */
export function isFileTopic(topic: string): boolean {
  return topic.startsWith(FILE_TOPIC);
}

export interface ScannedFile extends FoundFile {
  /** At most 249 characters: the name in crm_sources, the events log and the failed events. */
  topic: string;
  /** A hash of the content: the same name with another one is another file. */
  version: string;
  /** What the place tells of a version at no cost (size and time, or size and ETag): while it stays, so does the version. */
  stamp: string;
  /** In order, joined without gaps. An empty file has none. */
  chunks: FileChunk[];
}

/** All methods throw FileUnavailableError when the place can't be reached, and InvalidFileError for what no retry mends. */
export interface Files {
  /**
   * The files whose names end as the format's do, in the order of their names, with all folders below.
   * @throws InvalidFileError for a folder that does not exist or lies outside of the configured one, and without any such file
   */
  list(location: FileLocation, format: FileFormat, signal: AbortSignal): Promise<FoundFile[]>;
  /** Reads a file once, to divide it. @param onProgress told the bytes read so far */
  scan(
    file: FoundFile,
    reading: FileReading,
    options: { chunkBytes: number; onProgress: (bytes: number) => void; signal: AbortSignal },
  ): Promise<ScannedFile>;
}

/** A file that the reader knows: its ranges may be opened. */
export interface OpenedFile {
  uri: string;
  topic: string;
  version: string;
  /** Of the version. */
  stamp: string;
  reading: FileReading;
  chunks: readonly FileChunk[];
}

/** The place can't be reached now: wait and try again. The message is safe to show. */
export class FileUnavailableError extends Error {
  override readonly name = 'FileUnavailableError';
}

/** The file can't be read as what it is said to be, or must not be read. The message is safe to show. */
export class InvalidFileError extends Error {
  override readonly name = 'InvalidFileError';
}

/** Reads one block of an Avro container file. @returns one outcome for each record; null when the bytes are not so many records */
export type ReadAvroBlock = (block: Buffer, count: number) => AvroOutcome[] | null;

/** A record as the text of an event in JSON, or what is wrong with it and its bytes. */
export type AvroOutcome = { json: string } | { problem: 'text' | 'entity'; bytes: Buffer };

/** Turns the schema of an Avro container file, once, into the way to read its blocks; or says why it can't be one of ours. */
export type CompileAvro = (schema: unknown) => ReadAvroBlock | { problem: string };
