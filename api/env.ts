import type { HttpBindings } from '@hono/node-server';
import { OpenAPIHono } from '@hono/zod-openapi';
import { type ProblemKind, problemOfValidation } from './errors.ts';
import type { Principal } from './principal.ts';

/** What middleware leaves for the handlers. */
export interface ApiEnv {
  /** The request as Node has it. */
  Bindings: HttpBindings;
  Variables: {
    requestId: string;
    principal: Principal;
    /** What the answer says is wrong. */
    problemKind?: ProblemKind;
  };
}

/** A router whose requests that fail validation are answered like all other errors. */
export function createRouter(): OpenAPIHono<ApiEnv> {
  return new OpenAPIHono<ApiEnv>({
    defaultHook: (result, c) => (result.success ? undefined : problemOfValidation(c, result.target, result.error)),
  });
}
