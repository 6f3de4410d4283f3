/** As `/api/*` is matched by the router: with or without what follows. */
const GUARDED = /^\/api(?:[/?]|$)/u;

/** Whether a path, or a URL without its host, takes no identity. */
export function isOpen(path: string): boolean {
  return !GUARDED.test(path);
}
