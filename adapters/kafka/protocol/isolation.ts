/** What a reader sees of transactions. */
export const ISOLATION = { readUncommitted: 0, readCommitted: 1 } as const;
