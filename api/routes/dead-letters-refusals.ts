/** Why a failed event can't be shown or changed. */
import type { Change, DeadLetters, WholeDeadLetter } from '../../activities/dead-letter-ports.ts';
import { ProblemError } from '../errors.ts';
import type { Principal } from '../principal.ts';
import { owns } from '../tenancy.ts';

/** @throws ProblemError when there is none with the id that whoever asks may know of */
export async function existing(
  deadLetters: Pick<DeadLetters, 'get'>,
  id: string,
  principal: Principal,
): Promise<WholeDeadLetter> {
  const letter = await deadLetters.get(Number(id));
  if (letter === null || !owns(principal, letter.organizationId)) throw refusalOf('unknown', id);
  return letter;
}

/** @throws ProblemError when the change was not made */
export function mustBeDone(change: Change, id: string): void {
  if (change !== 'done') throw refusalOf(change, id);
}

/** What to answer when a change can't be made. */
export function refusalOf(change: Exclude<Change, 'done'>, id: string): ProblemError {
  switch (change) {
    case 'unknown':
      return new ProblemError('no-such-event', `No failed event has the id ${id}.`);
    case 'settled':
      return new ProblemError('conflict', `Event ${id} is settled: it was resolved or discarded, and stays so.`);
    case 'changed':
      return new ProblemError('changed-meanwhile', `Event ${id} was changed: read it again, and take its new etag.`);
  }
}
