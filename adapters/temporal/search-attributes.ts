import { setTimeout as delay } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import { defineSearchAttributeKey, type SearchAttributePair } from '@temporalio/common';
import { maskOpen } from '../../domain/masking.ts';
import { SEARCH_ATTRIBUTES } from '../../workflows/contracts.ts';
import { ControlRefusedError } from '../../workflows/control-port.ts';
import { isUnknownSearchAttribute } from './control-errors.ts';

/** INDEXED_VALUE_TYPE_KEYWORD of Temporal's API. */
const KEYWORD = 2;

const ORGANIZATION = defineSearchAttributeKey(SEARCH_ATTRIBUTES.organization, 'KEYWORD');

/**
 * What finds the workflows that are limited to an organization.
 * @param organizationId null without a limit; one that holds an address is masked, like wherever ids are shown
 */
export function organizationAttribute(organizationId: string | null): SearchAttributePair[] {
  return organizationId === null ? [] : [{ key: ORGANIZATION, value: maskOpen(organizationId) }];
}

/** The frontends look at a namespace's attributes every few seconds. */
const KNOWN_WITHIN_MS = 30_000;
const ASK_EVERY_MS = 500;

/**
 * Does what needs our search attributes. Where they are missing, it registers them and tries again until the server has
 * noticed.
 * @throws ControlRefusedError with the command that registers them, when we may not
 */
export async function withSearchAttributes<Result>(
  client: Client,
  namespace: string,
  start: () => Promise<Result>,
): Promise<Result> {
  try {
    return await start();
  } catch (error) {
    if (!isUnknownSearchAttribute(error)) {
      throw error;
    }
  }
  await register(client, namespace);
  const until = Date.now() + KNOWN_WITHIN_MS;
  for (;;) {
    try {
      return await start();
    } catch (error) {
      if (!isUnknownSearchAttribute(error) || Date.now() > until) {
        throw error;
      }
      await delay(ASK_EVERY_MS);
    }
  }
}

async function register(client: Client, namespace: string): Promise<void> {
  const names = Object.values(SEARCH_ATTRIBUTES);
  try {
    await client.connection.operatorService.addSearchAttributes({
      namespace,
      searchAttributes: Object.fromEntries(names.map((name) => [name, KEYWORD])),
    });
  } catch {
    const command = names.map((name) => `--name ${name} --type Keyword`).join(' ');
    throw new ControlRefusedError(
      `Temporal's namespace ${namespace} lacks our search attributes and we may not add them. An operator can: temporal operator search-attribute create --namespace ${namespace} ${command}`,
    );
  }
}
