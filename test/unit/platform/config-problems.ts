import { EVENT_TYPES } from '../../../domain/events.ts';
import { ConfigError, type Environment, loadConfig } from '../../../platform/config.ts';

/** What is wrong with an environment; nothing when it can be used. */
export function problemsOf(env: Environment): readonly string[] {
  try {
    loadConfig(env, EVENT_TYPES);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}
