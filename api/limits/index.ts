/** The HTTP door of the API: what stands between the network and the routes. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { HttpDoorConfig } from '../../platform/config.ts';
import type { Logger } from '../../platform/logger.ts';
import type { Metrics } from '../../platform/metrics.ts';
import { type AddressOf, createAddressOf, createNetworkOf } from './client-address.ts';
import { createDoor } from './door.ts';
import { createEarlyRefusal } from './early.ts';
import { createHoldBack } from './hold-back.ts';
import type { Limiters } from './limiter.ts';
import { createLimits, type Limits } from './middleware.ts';
import { createRefusals } from './refusals.ts';

export interface HttpDoor {
  limits: Limits;
  /** Where a request comes from, as far as that can be believed. */
  addressOf: AddressOf;
  /** For the server: answers what needs no application. */
  refuse(incoming: IncomingMessage, outgoing: ServerResponse): boolean;
  /** For the server: a connection was one too many. */
  connectionRefused(): void;
  close(): void;
}

export function createHttpDoor(
  config: HttpDoorConfig,
  limiters: Limiters,
  { logger, metrics }: { logger: Logger; metrics: Metrics },
): HttpDoor {
  const door = createDoor(limiters, config.limits);
  const shared = { door, networkOf: createNetworkOf(config.trustProxy), refusals: createRefusals(metrics, logger) };
  const early = createEarlyRefusal({
    ...shared,
    holdBack: config.trustProxy === null ? createHoldBack() : null,
    corsOrigins: config.corsOrigins,
  });
  return {
    limits: createLimits({ ...shared, passOf: early.passOf }),
    addressOf: createAddressOf(config.trustProxy),
    refuse: early.refuse,
    connectionRefused: () => shared.refusals.count('connections'),
    close: () => shared.refusals.close(),
  };
}
