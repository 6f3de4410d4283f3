/** Files in S3-compatible storage. */
import { Readable } from 'node:stream';
import {
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  S3Client,
  type S3ClientConfig,
  S3ServiceException,
} from '@aws-sdk/client-s3';
import { FileUnavailableError, type FoundFile, InvalidFileError } from '../../activities/file-ports.ts';
import { FileChangedError, type FilePlace } from './place.ts';

export interface S3Options {
  /** null for AWS itself. */
  endpoint: string | null;
  region: string;
  /** null looks where AWS's tools do: environment, shared files, the machine's role. */
  credentials: { accessKeyId: string; secretAccessKey: string } | null;
  /** Whether the bucket is part of the path instead of the host name. */
  forcePathStyle: boolean;
}

export interface Buckets extends FilePlace {
  /** Objects whose keys begin with the prefix, but for folders' markers. */
  list(bucket: string, prefix: string, signal: AbortSignal): Promise<FoundFile[]>;
  close(): void;
}

const SCHEME = 's3://';
/** Of connecting, and of a server that sends nothing, in milliseconds. */
const CONNECT_MS = 5_000;
const SILENCE_MS = 30_000;

export function createBuckets({ endpoint, region, credentials, forcePathStyle }: S3Options): Buckets {
  const config: S3ClientConfig = {
    region,
    forcePathStyle,
    // Servers other than AWS's may not know the checksums that are newer than their protocol.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: { connectionTimeout: CONNECT_MS, socketTimeout: SILENCE_MS },
    ...(endpoint !== null && { endpoint }),
    // A copy: the client writes into it, and the configuration is frozen.
    ...(credentials !== null && { credentials: { ...credentials } }),
  };
  const client = new S3Client(config);

  return {
    async list(bucket, prefix, signal) {
      const found: FoundFile[] = [];
      let next: string | undefined;
      do {
        const page = await client
          .send(new ListObjectsV2Command({ Bucket: bucket, Prefix: prefix, ContinuationToken: next }), {
            abortSignal: signal,
          })
          .catch((error) => {
            signal.throwIfAborted();
            throw trouble(`bucket ${bucket}`, error);
          });
        for (const { Key = '', Size = 0 } of page.Contents ?? []) {
          if (!Key.endsWith('/')) found.push({ uri: uriOf(bucket, Key), bytes: Size });
        }
        next = page.NextContinuationToken;
      } while (next !== undefined);
      return found;
    },

    async stat(uri) {
      const head = await client.send(new HeadObjectCommand(objectOf(uri))).catch((error) => {
        throw trouble(uri, error);
      });
      const bytes = head.ContentLength ?? 0;
      if (head.ETag === undefined) throw new FileUnavailableError(`the storage tells no ETag of ${uri}`);
      return { uri, bytes, stamp: stampOf(head.ETag, bytes) };
    },

    open: (uri, from, stamp) => Readable.from(readOn(uri, from, readStamp(stamp)), { highWaterMark: 1 }),

    close: () => client.destroy(),
  };

  async function* readOn(uri: string, from: number, { etag, size }: ReturnType<typeof readStamp>) {
    if (from >= size) return;
    try {
      const { Body } = await client.send(
        new GetObjectCommand({ ...objectOf(uri), IfMatch: etag, ...(from > 0 && { Range: `bytes=${from}-` }) }),
      );
      yield* Body as Readable;
    } catch (error) {
      throw statusOf(error) === PRECONDITION_FAILED ? new FileChangedError(uri) : trouble(uri, error);
    }
  }
}

const PRECONDITION_FAILED = 412;
const MISSING = ['NoSuchBucket', 'NoSuchKey', 'NotFound'];
/** Of a request that may be answered later: a time-out, and too many of them. */
const LATER = [408, 429];

function stampOf(etag: string, bytes: number): string {
  return `${bytes} bytes, ${etag}`;
}

function readStamp(stamp: string): { size: number; etag: string } {
  const [, size = '', etag = ''] = /^(\d+) bytes, (.+)$/su.exec(stamp) ?? [];
  return { size: Number(size), etag };
}

function uriOf(bucket: string, key: string): string {
  return `${SCHEME}${bucket}/${key.split('/').map(encodeURIComponent).join('/')}`;
}

function objectOf(uri: string): { Bucket: string; Key: string } {
  const [bucket = '', ...key] = uri.slice(SCHEME.length).split('/');
  return { Bucket: bucket, Key: key.map(decodeURIComponent).join('/') };
}

function statusOf(error: unknown): number | undefined {
  return error instanceof S3ServiceException ? error.$metadata.httpStatusCode : undefined;
}

/** What a person must mend, or what may heal by itself; of the server's words only the code is kept. */
function trouble(what: string, error: unknown): Error {
  if (error instanceof TypeError && 'code' in error && error.code === 'ERR_INVALID_URL') {
    return new InvalidFileError(`the storage has no address for ${what}: check the name, and S3_FORCE_PATH_STYLE`);
  }
  if (error instanceof TypeError) return error; // a mistake of ours, which no wait mends
  const code = error instanceof Error ? ((error as NodeJS.ErrnoException).code ?? error.name) : 'unknown';
  const status = statusOf(error) ?? 0;
  if (MISSING.includes(code)) return new InvalidFileError(`there is no ${what} in the storage`);
  if (status >= 400 && status < 500 && !LATER.includes(status)) {
    return new InvalidFileError(
      `the storage refuses access to ${what} (${code}): check S3_ACCESS_KEY_ID and its rights`,
    );
  }
  return new FileUnavailableError(`the storage can not be asked for ${what} (${code})`);
}
