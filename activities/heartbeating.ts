import { Context } from '@temporalio/activity';

/** A pause or a stop reaches an activity with the answer to a heartbeat, and has to within 2 s. */
const HEARTBEAT_MS = 500;

/**
 * Does `work` while telling Temporal that it goes on.
 * @param work gets a signal that aborts when the activity is cancelled, superseded or its worker shuts down
 * @param details what a heartbeat tells; the next attempt finds the last of them
 */
export async function heartbeating<Result>(
  work: (signal: AbortSignal) => Promise<Result>,
  details: () => unknown = () => undefined,
): Promise<Result> {
  const context = Context.current();
  const heartbeat = () => context.heartbeat(details());
  const timer = setInterval(heartbeat, HEARTBEAT_MS);
  try {
    heartbeat();
    return await work(context.cancellationSignal);
  } finally {
    clearInterval(timer);
    // The last word of a failed attempt: the timer may have missed what it did at the end.
    heartbeat();
  }
}
