/**
 * Waits for work, but not for longer; it then goes on alone. A plain timer does the waiting: one that an AbortSignal ends
 * makes an error each time, which took a worker of small batches 4 % of its CPU.
 * @param milliseconds the timer does not keep the process alive
 * @param late called when the time is up
 * @returns what the work gives, or else what `late` does
 * @throws what the work throws, or else what `late` does
 */
export function within<T, Late>(milliseconds: number, work: Promise<T>, late: () => Late): Promise<T | Late> {
  const timeUp = Promise.withResolvers<void>();
  const timer = setTimeout(timeUp.resolve, milliseconds).unref();
  return Promise.race([work, timeUp.promise.then(late)]).finally(() => clearTimeout(timer));
}
