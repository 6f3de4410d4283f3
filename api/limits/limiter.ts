/** What counts requests. `adapters/rate-limits` counts them in Redis. */

/** Of all limits. */
export const WINDOW_SECONDS = 60;

/** What became of one more request. */
export interface Taken {
  allowed: boolean;
  remaining: number;
  /** Until the count begins anew. */
  resetMs: number;
}

export interface Limiter {
  /** Most within a window. */
  readonly quota: number;
  /** Counts one more of a key. Never rejects. */
  take(key: string): Promise<Taken>;
}

export interface Limiters {
  /**
   * A limiter of requests per minute whose counts all API processes share. Keys are never stored as they are.
   * @param name tells its keys from those of other limiters
   */
  shared(name: string, perMinute: number): Limiter;
  /** One whose counts are those of this process. */
  local(perMinute: number): Limiter;
}
