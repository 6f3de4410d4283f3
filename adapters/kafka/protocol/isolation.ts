/** Isolation level: records of aborted and of open transactions are not for us. */
export const READ_COMMITTED = 1;
