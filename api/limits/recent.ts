/** A map of at most 10,000 entries, which forgets those that were set the longest ago: what strangers fill must not grow. */
export interface Recent<V> {
  get(key: string): V | undefined;
  set(key: string, value: V): void;
  delete(key: string): void;
}

const MOST_REMEMBERED = 10_000;

export function createRecent<V>(): Recent<V> {
  const entries = new Map<string, V>();
  return {
    get: (key) => entries.get(key),
    set(key, value) {
      entries.delete(key); // so that it becomes the newest
      entries.set(key, value);
      if (entries.size <= MOST_REMEMBERED) return;
      const [oldest] = entries.keys();
      if (oldest !== undefined) entries.delete(oldest);
    },
    delete: (key) => void entries.delete(key),
  };
}
