/** Kafka's error codes that we tell apart. */
export const ERROR = {
  NONE: 0,
  OFFSET_OUT_OF_RANGE: 1,
  UNKNOWN_TOPIC_OR_PARTITION: 3,
  LEADER_NOT_AVAILABLE: 5,
  NOT_LEADER_OR_FOLLOWER: 6,
  INVALID_TOPIC: 17,
  TOPIC_AUTHORIZATION_FAILED: 29,
} as const;

const WORDS: Readonly<Record<number, string>> = {
  [-1]: 'the broker had an unexpected error (its own log tells more)',
  1: 'the offset is out of range',
  2: 'the broker found a corrupt record batch in its log',
  3: 'the broker does not know the topic or partition',
  5: 'no leader is elected yet',
  6: 'the leader has moved to another broker',
  7: 'the broker ran into a timeout',
  8: 'the broker is not available',
  9: 'the replica is not available',
  13: 'the broker disconnected',
  17: 'the name is not a valid topic name',
  29: 'no permission: grant this user the ACLs READ and DESCRIBE on the topic',
  31: 'no permission on the cluster: grant this user the ACL DESCRIBE on it',
  56: 'the broker can not read its disk',
  74: 'the leader has changed',
  75: 'the broker is behind the newest leader election',
  78: 'the new leader does not know the end of its log yet',
  100: 'the broker does not know the topic by its id',
  103: 'the topic has another id now',
};

/** An error code in words. */
export const errorWords = (code: number): string => WORDS[code] ?? `Kafka error code ${code}`;

/** UNKNOWN_TOPIC_OR_PARTITION, UNKNOWN_TOPIC_ID and INCONSISTENT_TOPIC_ID: the topic may have been deleted. */
export const TOPIC_GONE: readonly number[] = [3, 100, 103];
