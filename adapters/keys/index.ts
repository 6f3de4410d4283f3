import type { PersonalDataConfig } from '../../platform/config.ts';
import type { KeyProvider } from '../../platform/key-provider.ts';
import { keyRingOf } from '../../platform/key-ring.ts';
import { createLocalKeys } from './local.ts';

/** The keys of the configuration, null where it has none. */
export function localKeys({ keys }: PersonalDataConfig): KeyProvider | null {
  return keys === null ? null : createLocalKeys(keyRingOf(keys));
}
