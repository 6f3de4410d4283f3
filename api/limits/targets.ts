import type { MiddlewareHandler } from 'hono';
import type { ApiEnv } from '../env.ts';
import { problem } from '../errors.ts';

/** What is asked for in a URL fits easily; anything longer is a mistake or an attack. */
const MAX_URL_LENGTH = 8_192;

/** Refuses URLs that are too long. */
export const refuseLongUrls: MiddlewareHandler<ApiEnv> = async (c, next) => {
  if (c.req.url.length > MAX_URL_LENGTH) {
    return problem(c, 'invalid-request', `The URL has more than ${MAX_URL_LENGTH} characters.`);
  }
  return next();
};
