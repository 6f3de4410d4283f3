type AsyncMethods = { [name: string]: (...args: never[]) => Promise<unknown> };

/**
 * Something with the methods of `T`, all of which give promises.
 * @param around gets each call, to be made on the thing that it is meant for
 */
export function methodsOf<T extends object>(around: (call: (on: T) => Promise<unknown>) => Promise<unknown>): T {
  const methods = new Proxy({} as AsyncMethods, {
    get(_, name: string) {
      // Whoever gives it out of an async function would have it taken for a promise.
      if (name === 'then') return undefined;
      return (...args: never[]) => around(async (on) => (on as AsyncMethods)[name]?.(...args));
    },
  });
  return methods as T;
}
