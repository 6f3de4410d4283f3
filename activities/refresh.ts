/** How often what people decide is learned anew, in milliseconds. */
const REFRESH_MS = 2_000;

/**
 * For what is kept in memory for a moment: loads it anew, at most every two seconds, and once for all who ask meanwhile.
 * @param load keeps what it finds
 * @param now milliseconds of a clock that never goes back
 * @returns resolves when it is fresh enough; throws what `load` throws, and the next call loads again
 */
export function createRefresh(load: () => Promise<void>, now: () => number): () => Promise<void> {
  let refreshedAt = Number.NEGATIVE_INFINITY;
  let loading: Promise<void> | null = null;

  async function reload(): Promise<void> {
    const asked = now();
    try {
      await load();
      refreshedAt = asked;
    } finally {
      loading = null;
    }
  }

  return async () => {
    if (now() - refreshedAt >= REFRESH_MS) {
      loading ??= reload();
      await loading;
    }
  };
}
