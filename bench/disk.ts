// Whether what a suite writes has room.
import { statfs } from 'node:fs/promises';
import pg from 'pg';

const GIBIBYTE = 2 ** 30;

/**
 * Says how much a suite will write and how much is free.
 * @param databaseUrl of a server whose disk is looked at where it is on this machine; its user must be a superuser
 * @param bytes that will be written at most
 * @throws Error when there is not room for them
 */
export async function requireDisk(databaseUrl: string, bytes: number, log: (line: string) => void): Promise<void> {
  const needed = gibibytes(bytes);
  const free = await freeBytes(databaseUrl);
  if (free === null) {
    log(`about ${needed} of disk will be used; the server is not on this machine: see for yourself that it has them`);
    return;
  }
  log(`about ${needed} of disk will be used, ${gibibytes(free)} are free`);
  if (bytes > free) {
    throw new Error(
      `about ${needed} of disk are needed, ${gibibytes(free)} are free: make room, ask for less, or name a server with more by --database-url`,
    );
  }
}

/** null where the server's folder is not on this machine. */
async function freeBytes(databaseUrl: string): Promise<number | null> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    const { rows } = await client.query<{ data_directory: string }>('SHOW data_directory');
    const { bavail, bsize } = await statfs(rows[0]?.data_directory ?? '');
    return bavail * bsize;
  } catch {
    return null;
  } finally {
    await client.end();
  }
}

const gibibytes = (bytes: number) => `${(bytes / GIBIBYTE).toFixed(1)} GiB`;
