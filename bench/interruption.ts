let controller: AbortController | null = null;

/**
 * Aborts at the first SIGINT or SIGTERM, which contestants look at between two steps; the same signal for all who ask.
 * Later signals do nothing: cleaning up ends by itself, and one signal may come twice.
 */
export function interruption(): AbortSignal {
  if (controller === null) {
    const own = new AbortController();
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.on(signal, () => own.abort(new Error(`interrupted by ${signal}`)));
    }
    controller = own;
  }
  return controller.signal;
}
