import { methodsOf } from './methods.ts';

/** Something that is opened with its first use, so that a process can start before the server does. */
export interface Lazy<T> {
  /** @throws what opening throws; the next call tries again */
  get(): Promise<T>;
  /** Closes it, if it was opened. */
  close(): Promise<void>;
}

export function lazily<T>(open: () => Promise<T>, close: (opened: T) => Promise<unknown>): Lazy<T> {
  let opened: Promise<T> | null = null;
  return {
    get() {
      opened ??= open().catch((error: unknown) => {
        opened = null;
        throw error;
      });
      return opened;
    },
    async close() {
      const value = await opened?.catch(() => null);
      if (value) await close(value);
    },
  };
}

/** Something whose methods all give promises: each is called on what `get` resolves to. */
export function forwarded<T extends object>(get: () => Promise<T>): T {
  return methodsOf<T>(async (call) => call(await get()));
}
