/** What an erasure does not reach, and what bounds how long it is kept: part of its proof. */

export interface ErasureLimits {
  /** Days after which dead letters of which nothing could be told are emptied; null for never. */
  failedRawKeepDays: number | null;
  /** Whether addresses were compared in every spelling. */
  foldsUnicode: boolean;
  /** Redrives and replays that name the subject and had not ended. */
  requestsInUse: number;
}

/** In sentences. */
export function notSearched({ failedRawKeepDays, foldsUnicode, requestsInUse }: ErasureLimits): string[] {
  const limits = [
    "Kafka: its records go with the topics' own retention or compaction; until then the suppression list keeps them out of the tables.",
    `Failed events whose messages can not be decoded are searched for an e-mail address as bytes, and for nothing else. ${keptFor(failedRawKeepDays)}`,
    'Backups and replicas of PostgreSQL that lag behind: their own retention bounds them. After a restore from a backup that is older than this erasure, ask for it again.',
    'Event ids, organizations, topics and offsets stay in the events log, the ledger, failed events and the books; reasons that people wrote stay as they are.',
  ];
  if (!foldsUnicode) {
    limits.push(
      'Rows whose address has letters beyond ASCII: this PostgreSQL can not compare them in every spelling. Look for other spellings (capitals, composed accents), and erase what is found by ids.',
    );
  }
  if (requestsInUse > 0) {
    limits.push(
      `Redrives and replays that had not ended and name the subject in a filter, rule or constant: ${requestsInUse}. When they have ended, ask for the erasure again, by ids where they name ids.`,
    );
  }
  return limits;
}

function keptFor(days: number | null): string {
  return days === null
    ? 'Nothing bounds how long they are kept: FAILED_RAW_KEEP_DAYS is not set.'
    : `Those of which neither an id nor an organization could be told are emptied after ${days} days, by FAILED_RAW_KEEP_DAYS.`;
}
