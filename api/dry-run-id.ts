/**
 * Proof that a rule was tried dry. It says by itself what was tried and when, signed, so that nothing has to be kept and
 * every API process knows the others' plans.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { canonicalJson } from '../domain/canonical-json.ts';
import type { FailedFilter } from '../domain/failed-filter.ts';
import type { FixRule } from '../domain/fix-rule.ts';

/** A plan that is older says little about the events of now. */
const VALID_MS = 3_600_000;

interface Tried {
  filter: FailedFilter;
  fix: FixRule | null;
}

export interface DryRunIds {
  /** @param lastFailedId the newest event that was among the tried ones */
  issue(tried: Tried, lastFailedId: number): string;
  /** @returns the newest event that was tried; null unless exactly this was tried within the last hour */
  check(id: string, tried: Tried): number | null;
}

/** @param secret the same in every API process */
export function createDryRunIds(secret: Buffer | string, now: () => number = Date.now): DryRunIds {
  function sign({ filter, fix }: Tried, at: number, lastFailedId: number): string {
    // Through JSON, which leaves out what is undefined.
    const signed = canonicalJson(JSON.parse(JSON.stringify({ at, lastFailedId, filter, fix })));
    return createHmac('sha256', secret).update(`redrive plan ${signed}`).digest('base64url');
  }

  return {
    issue(tried, lastFailedId) {
      const at = now();
      return `${at}.${lastFailedId}.${sign(tried, at, lastFailedId)}`;
    },

    check(id, tried) {
      const [, at, lastFailedId, signature] = /^(\d{1,15})\.(\d{1,15})\.([\w-]{43})$/u.exec(id) ?? [];
      if (at === undefined || lastFailedId === undefined || signature === undefined) return null;
      if (now() - Number(at) > VALID_MS) return null;
      const expected = sign(tried, Number(at), Number(lastFailedId));
      return timingSafeEqual(Buffer.from(expected), Buffer.from(signature)) ? Number(lastFailedId) : null;
    },
  };
}
