/**
 * The few functions on `Reflect` that @peculiar/x509 (its tsyringe, to be exact) wants to find before it is loaded, so
 * that no package is needed for them.
 */
type Metadata = Map<unknown, unknown>;

const kept = new WeakMap<object, Metadata>();

const own = (key: unknown, target: object): unknown => kept.get(target)?.get(key);

function inherited(key: unknown, target: object): unknown {
  for (let at: object | null = target; at !== null; at = Object.getPrototypeOf(at)) {
    const found = own(key, at);
    if (found !== undefined) return found;
  }
  return undefined;
}

if (!('getMetadata' in Reflect)) {
  Object.assign(Reflect, {
    defineMetadata(key: unknown, value: unknown, target: object) {
      const metadata: Metadata = kept.get(target) ?? new Map();
      kept.set(target, metadata.set(key, value));
    },
    getMetadata: inherited,
    getOwnMetadata: own,
  });
}
