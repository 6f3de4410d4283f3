/** A part of the workflows' contracts that lives in the domain, where adapters may import it too. */
export { type FailedFilter, MAX_FAILED_IDS } from '../domain/failed-filter.ts';
