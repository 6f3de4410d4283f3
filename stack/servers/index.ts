import type { ServerName } from '../instance.ts';
import { kafka } from './kafka.ts';
import { postgres } from './postgres.ts';
import { redis } from './redis.ts';
import { registry } from './registry.ts';
import type { NativeServer } from './server.ts';
import { temporal } from './temporal.ts';

export const NATIVE_SERVERS: Record<ServerName, NativeServer> = { kafka, registry, temporal, postgres, redis };
