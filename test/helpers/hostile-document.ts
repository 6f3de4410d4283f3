/** The OpenAPI document as something to attack by: which operations there are, and what each takes and gives. */
import { z } from 'zod';

/** The part of JSON Schema that the document uses. */
export interface Schema {
  $ref?: string | undefined;
  type?: string | string[] | undefined;
  enum?: unknown[] | undefined;
  const?: unknown;
  format?: string | undefined;
  pattern?: string | undefined;
  minLength?: number | undefined;
  maxLength?: number | undefined;
  minimum?: number | undefined;
  maximum?: number | undefined;
  minItems?: number | undefined;
  maxItems?: number | undefined;
  items?: Schema | undefined;
  properties?: Record<string, Schema> | undefined;
  required?: string[] | undefined;
  additionalProperties?: boolean | Schema | undefined;
  anyOf?: Schema[] | undefined;
  oneOf?: Schema[] | undefined;
  allOf?: Schema[] | undefined;
}

const schemaSchema: z.ZodType<Schema> = z.lazy(() =>
  z.looseObject({
    $ref: z.string().optional(),
    type: z.union([z.string(), z.array(z.string())]).optional(),
    enum: z.array(z.unknown()).optional(),
    const: z.unknown().optional(),
    format: z.string().optional(),
    pattern: z.string().optional(),
    minLength: z.number().optional(),
    maxLength: z.number().optional(),
    minimum: z.number().optional(),
    maximum: z.number().optional(),
    minItems: z.number().optional(),
    maxItems: z.number().optional(),
    items: schemaSchema.optional(),
    properties: z.record(z.string(), schemaSchema).optional(),
    required: z.array(z.string()).optional(),
    additionalProperties: z.union([z.boolean(), schemaSchema]).optional(),
    anyOf: z.array(schemaSchema).optional(),
    oneOf: z.array(schemaSchema).optional(),
    allOf: z.array(schemaSchema).optional(),
  }),
);

const contentSchema = z.record(z.string(), z.looseObject({ schema: schemaSchema.optional() }));

const operationSchema = z.looseObject({
  parameters: z
    .array(
      z.looseObject({
        in: z.enum(['path', 'query', 'header']),
        name: z.string(),
        required: z.boolean().default(false),
        schema: schemaSchema,
      }),
    )
    .default([]),
  requestBody: z.looseObject({ content: contentSchema }).optional(),
  responses: z.record(z.string(), z.looseObject({ content: contentSchema.optional() })),
});

const documentSchema = z.looseObject({
  paths: z.record(z.string(), z.record(z.string(), operationSchema)),
  components: z.looseObject({ schemas: z.record(z.string(), schemaSchema) }),
});

export type Parameter = z.infer<typeof operationSchema>['parameters'][number];

export interface Operation {
  method: string;
  /** With `{name}` for each parameter. */
  path: string;
  parameters: readonly Parameter[];
  /** Of a body in JSON; null when none is taken. */
  body: Schema | null;
  responses: z.infer<typeof operationSchema>['responses'];
}

export interface ApiDocument {
  operations: readonly Operation[];
  /** What a schema refers to, or the schema itself. */
  resolve(schema: Schema): Schema;
}

/** @throws when there is no document, or none of this form */
export async function readDocument(origin: string): Promise<ApiDocument> {
  const document = documentSchema.parse(await (await fetch(`${origin}/openapi.json`)).json());
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, { parameters, requestBody, responses }]) => ({
      method: method.toUpperCase(),
      path,
      parameters,
      body: requestBody?.content['application/json']?.schema ?? null,
      responses,
    })),
  );
  return {
    operations,
    resolve({ $ref, ...schema }) {
      if ($ref === undefined) return schema;
      const found = document.components.schemas[$ref.replace('#/components/schemas/', '')];
      if (found === undefined) throw new Error(`the document has no ${$ref}`);
      return found;
    },
  };
}

/** What an operation is asked with. */
export interface Asked {
  path: Record<string, string>;
  query: Array<[string, string]>;
  headers: Array<[string, string]>;
  /** The body as text; undefined for none. */
  body: string | undefined;
}

/** The target of a request: path and query. */
export function targetOf(operation: Operation, { path, query }: Asked): string {
  const filled = operation.path.replaceAll(/\{(\w+)\}/gu, (_, name: string) => encoded(path[name] ?? ''));
  const pairs = query.map(([name, value]) => `${encoded(name)}=${encoded(value)}`);
  return pairs.length === 0 ? filled : `${filled}?${pairs.join('&')}`;
}

/** Surrogates without their twins, which no URL can hold, become the sign for that. */
function encoded(text: string): string {
  // Dots by themselves would be taken for steps in the path.
  return /^\.{1,2}$/u.test(text) ? text.replaceAll('.', '%2e') : encodeURIComponent(text.toWellFormed());
}
