// Huge pages that the system has to give, as Linux tells it.
import { readFileSync } from 'node:fs';

/** What PostgreSQL shares beside its buffers: their descriptors, locks, WAL buffers. */
const BESIDE_BUFFERS = 0.15;
const KIB = 1024;

/**
 * How many more huge pages would have to be free for shared memory of so many bytes; 0 when there are enough.
 * @param meminfo text of /proc/meminfo
 * @throws Error when it tells of no huge pages
 */
export function hugePagesMissing(meminfo: string, bytes: number): number {
  // A page that is promised to somebody is among the free ones until it is first written to.
  const free = numberOf(meminfo, 'HugePages_Free') - numberOf(meminfo, 'HugePages_Rsvd');
  return Math.max(0, pagesFor(meminfo, bytes) - free);
}

/**
 * What to do for a PostgreSQL with so many bytes of `shared_buffers` to get huge pages, as one command; null when enough
 * are free.
 * @param meminfo text of /proc/meminfo
 * @throws Error when it tells of no huge pages
 */
export function hugePagesCommand(meminfo: string, sharedBuffers: number): string | null {
  const missing = hugePagesMissing(meminfo, sharedBuffers * (1 + BESIDE_BUFFERS));
  // The setting is of all pages: those that others hold have to stay among them.
  return missing === 0 ? null : `sysctl -w vm.nr_hugepages=${numberOf(meminfo, 'HugePages_Total') + missing}`;
}

/** Text of /proc/meminfo. @throws Error elsewhere than on Linux */
export function readMeminfo(): string {
  if (process.platform !== 'linux') throw new Error('this suite needs Linux: huge pages are reserved there alone');
  return readFileSync('/proc/meminfo', 'utf8');
}

/**
 * Makes sure that a PostgreSQL with `huge_pages=on` can start.
 * @param sharedBuffers in bytes
 * @throws Error that says what to do when too few huge pages are free, and elsewhere than on Linux
 */
export function requireHugePages(sharedBuffers: number): void {
  const command = hugePagesCommand(readMeminfo(), sharedBuffers);
  if (command !== null) throw new Error(`this suite needs more huge pages; as root: ${command}`);
}

const pagesFor = (meminfo: string, bytes: number) => Math.ceil(bytes / (numberOf(meminfo, 'Hugepagesize') * KIB));

function numberOf(meminfo: string, name: string): number {
  const value = new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(meminfo)?.[1];
  if (value === undefined) throw new Error(`this suite needs huge pages: the kernel has none (no ${name})`);
  return Number(value);
}
