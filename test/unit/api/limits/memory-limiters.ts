import type { Limiter, Limiters } from '../../../../api/limits/limiter.ts';

/** Counts that a test can see, and that begin anew when it says so. */
export function createMemoryLimiters() {
  const counts = new Map<string, number>();
  const limiter = (name: string, quota: number): Limiter => ({
    quota,
    async take(key) {
      const count = (counts.get(`${name} ${key}`) ?? 0) + 1;
      counts.set(`${name} ${key}`, count);
      return { allowed: count <= quota, remaining: Math.max(0, quota - count), resetMs: 60_000 };
    },
  });
  const limiters: Limiters = { shared: limiter, local: (quota) => limiter('local', quota) };
  return { limiters, counts };
}
