import { z } from 'zod';

/** A time, which slonik gives as epoch milliseconds, in ISO 8601, UTC. */
export const isoTime = z.number().transform((at) => new Date(at).toISOString());
