import {
  BEGINNING,
  type ChainedEntry,
  hashOf,
  type Link,
  type TrailDigest,
  trailDigest,
} from '../../domain/audit-trail.ts';

export interface ChainCheck {
  /** Looks at the entry that comes next. @returns what is wrong, null when nothing is */
  next(entry: ChainedEntry): string | null;
  /** @param head where the log is said to end */
  end(head: Link): string | null;
  /** What was seen, in sentences. */
  notes(): string[];
}

export interface ChainExpectations {
  /** Keys that entries may have been hashed with; with any, the log must end with an entry of one of them. */
  keys: readonly string[];
  /** Places that the log is known to have had. */
  expected: readonly Link[];
}

/** Most attempts without an outcome that are named. */
const NAMED = 10;

/** Follows a chain, entry by entry, up to the first one that is not as it was written. */
export function createChainCheck({ keys, expected }: ChainExpectations): ChainCheck {
  const digests = digestsOf(keys);
  const noted = new Map(expected.map(({ sequence, hash }) => [sequence, hash]));
  /** Attempts whose outcome was not met yet: the number of the entry by the action. */
  const open = new Map<string, number>();
  let first: ChainedEntry | undefined;
  let last: ChainedEntry | undefined;
  /** Whether the entry is known that the first one follows. */
  let begun = false;
  let unkeyed = 0;

  /** @returns what is wrong with the entry, given the one before it */
  function against(previousHash: string, entry: ChainedEntry): string | null {
    const digest = digests.get(entry.keyId);
    if (digest === undefined) {
      return `entry ${entry.sequence} was hashed with the key ${entry.keyId}, which is not given: name its file by --key`;
    }
    return hashOf(previousHash, entry, digest) === entry.hash
      ? null
      : `entry ${entry.sequence} is not as it was written, or not behind the entry that it was written behind`;
  }

  function order(before: ChainedEntry, entry: ChainedEntry): string | null {
    const missing = before.sequence + 1;
    if (entry.sequence === before.sequence) return `there are two entries ${entry.sequence}: one was added`;
    if (entry.sequence > missing) {
      return entry.sequence === missing + 1
        ? `entry ${missing} is missing`
        : `the entries ${missing} to ${entry.sequence - 1} are missing`;
    }
    if (before.keyId !== null && entry.keyId === null) {
      return `entry ${entry.sequence} was written without a key, and the one before it with one`;
    }
    return against(before.hash, entry);
  }

  /** An entry about what retention took has the hash that the first one follows. */
  function beginning(entry: ChainedEntry): string | null {
    const { through, hash } = entry.subject;
    if (begun || first === undefined || entry.kind !== 'retention') return null;
    if (through !== first.sequence - 1 || typeof hash !== 'string') return null;
    begun = true;
    return against(hash, first);
  }

  function count({ kind, actionId, sequence, keyId }: ChainedEntry): void {
    if (kind === 'attempt') open.set(actionId, sequence);
    else if (kind === 'outcome') open.delete(actionId);
    if (keyId === null) unkeyed += 1;
  }

  return {
    next(entry) {
      let broken: string | null = null;
      if (last !== undefined) {
        broken = order(last, entry);
      } else {
        first = entry;
        begun = entry.sequence === BEGINNING.sequence + 1;
        if (begun) broken = against(BEGINNING.hash, entry);
      }
      broken ??= beginning(entry);
      const hash = noted.get(entry.sequence);
      if (broken === null && hash !== undefined && hash !== entry.hash) {
        broken = `entry ${entry.sequence} is another one than was noted: the log was written anew`;
      }
      last = entry;
      count(entry);
      return broken;
    },
    end(head) {
      const at = last ?? BEGINNING;
      if (head.sequence > at.sequence) {
        return `entry ${at.sequence + 1} is missing, and all up to ${head.sequence}, where the log ended: its end was removed`;
      }
      if (head.hash !== at.hash)
        return `the log is said to end with another entry ${at.sequence} than the one there is`;
      const latest = Math.max(0, ...noted.keys());
      if (latest > at.sequence) {
        return `entry ${at.sequence + 1} is missing, and all up to ${latest}, which was noted: the end of the log was removed`;
      }
      if (first !== undefined && !begun) {
        return `the entries before ${first.sequence} are missing, and no entry says that retention took them`;
      }
      if (keys.length > 0 && last !== undefined && last.keyId === null) {
        return `entry ${last.sequence}, the last one, was written without a key`;
      }
      return null;
    },
    notes: () => [
      ...(first === undefined || last === undefined
        ? ['the log is empty']
        : [`entries ${first.sequence} to ${last.sequence} were looked at, of ${first.at} to ${last.at}`]),
      ...(first !== undefined && begun && first.sequence > 1
        ? [`those before ${first.sequence} left by retention`]
        : []),
      ...(unkeyed > 0
        ? [`${unkeyed} of them are without a key: whoever may change all of them can make them anew`]
        : []),
      ...openNotes([...open.values()]),
    ],
  };
}

function digestsOf(keys: readonly string[]): ReadonlyMap<string | null, TrailDigest> {
  return new Map(
    [null, ...keys].map((key) => {
      const digest = trailDigest(key);
      return [digest.keyId, digest];
    }),
  );
}

function openNotes(attempts: readonly number[]): string[] {
  if (attempts.length === 0) return [];
  const named = attempts.slice(-NAMED).join(', ');
  return [
    `${attempts.length} attempts have no outcome (the last ones: ${named}): the API ended meanwhile, or PostgreSQL did not take it`,
  ];
}
