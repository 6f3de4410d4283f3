import { RegistryUnavailableError } from '../../activities/ports.ts';
import type { Rejection } from '../../domain/failures.ts';
import type { RegistryClient } from './client.ts';
import { compileReadPlan, type ReadPlan } from './read-plan.ts';
import { IncompatibleSchema } from './scalars.ts';

/** How the messages of a schema are read, or why they can't be. */
export type PlanOrRejection = ReadPlan | Rejection;

/** An id that the registry does not know may appear any time, and an answer be spoiled: asked again after so long. */
const REFUSED_FOR_MS = 5_000;

/** After a failure the registry is left in peace for so long. */
const PAUSE_MS = 1_000;

/** Forged ids must not fill the memory; real ones are few. */
const MOST_REFUSED_IDS = 1_000;

export interface PlanCache {
  /**
   * What is known of an id, undefined when the registry must be asked.
   * @throws RegistryUnavailableError while the registry, which failed a moment ago, is left in peace
   */
  peek(schemaId: number): PlanOrRejection | undefined;
  /**
   * Asks the registry; calls for one id at the same time share a request.
   * @throws RegistryUnavailableError
   */
  load(schemaId: number): Promise<PlanOrRejection>;
}

/** Schemas never change under their id, so what was once compiled or found impossible to read stays. */
export function createPlanCache(client: Pick<RegistryClient, 'schemaById'>, now: () => number): PlanCache {
  const settled = new Map<number, PlanOrRejection>();
  const refused = new Map<number, { until: number; rejection: Rejection }>();
  const loading = new Map<number, Promise<PlanOrRejection>>();
  let pause: { until: number; error: RegistryUnavailableError } | null = null;

  async function ask(schemaId: number): Promise<PlanOrRejection> {
    const answer = await client.schemaById(schemaId).catch((error: unknown) => {
      if (error instanceof RegistryUnavailableError) pause = { until: now() + PAUSE_MS, error };
      throw error;
    });
    if (answer.found) {
      const plan = compile(answer.type);
      settled.set(schemaId, plan);
      return plan;
    }
    const rejection: Rejection = { code: answer.code, detail: answer.detail };
    if (refused.size >= MOST_REFUSED_IDS) refused.clear();
    refused.set(schemaId, { until: now() + REFUSED_FOR_MS, rejection });
    return rejection;
  }

  return {
    peek(schemaId) {
      const plan = settled.get(schemaId);
      if (plan !== undefined) return plan;
      const refusal = refused.get(schemaId);
      if (refusal !== undefined && now() < refusal.until) return refusal.rejection;
      if (pause !== null && now() < pause.until) throw pause.error;
      return undefined;
    },

    load(schemaId) {
      const asking = loading.get(schemaId);
      if (asking !== undefined) return asking;
      const request = ask(schemaId).finally(() => loading.delete(schemaId));
      loading.set(schemaId, request);
      return request;
    },
  };
}

function compile(type: Parameters<typeof compileReadPlan>[0]): PlanOrRejection {
  try {
    return compileReadPlan(type);
  } catch (error) {
    if (error instanceof IncompatibleSchema) return { code: 'incompatible_schema', detail: error.message };
    throw error;
  }
}
