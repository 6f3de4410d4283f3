import { sql } from 'slonik';

/**
 * What a failed event's ETag is made of: it changes with each attempt, correction, discard and settlement. `updated_at`
 * alone is the time of the last attempt, which the path of errors builds on.
 */
export const eventVersion = sql.fragment`
  md5(concat_ws(' ', f.status, extract(epoch FROM f.updated_at), COALESCE(extract(epoch FROM f.corrected_at), 0),
    COALESCE(extract(epoch FROM f.settled_at), 0)))
`;
