/** Renders an OpenAPI document as one self-contained HTML page: no script, nothing loaded from elsewhere. */
import type { OpenAPIHono } from '@hono/zod-openapi';
import { html, raw } from 'hono/html';
import { PROBLEMS } from './errors.ts';

type Document = ReturnType<OpenAPIHono['getOpenAPI31Document']>;
type Fragment = ReturnType<typeof html>;

/** The little of JSON Schema that our own document uses. */
interface Schema {
  $ref?: string;
  type?: string | string[];
  enum?: unknown[];
  const?: unknown;
  format?: string;
  description?: string;
  example?: unknown;
  items?: Schema;
  anyOf?: Schema[];
  oneOf?: Schema[];
  properties?: Record<string, Schema>;
  additionalProperties?: Schema | boolean;
  required?: string[];
}

interface Content {
  [mediaType: string]: { schema?: Schema };
}

interface Operation {
  method: string;
  path: string;
  tags?: string[];
  summary?: string;
  description?: string;
  requestBody?: { content: Content };
  responses: Record<string, { description: string; content?: Content }>;
}

const METHODS = ['get', 'put', 'post', 'patch', 'delete'];

export const DOCS_STYLE = `
:root { color-scheme: light dark; --line: #8884; --soft: #8881; --accent: #0b63ce; }
@media (prefers-color-scheme: dark) { :root { --accent: #7db4ff; } }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 0 auto; padding: 1rem; }
a { color: var(--accent); }
h1 { margin-bottom: 0; }
h2 { margin-top: 2.5rem; border-bottom: 1px solid var(--line); }
article { margin: 1.5rem 0; padding: 0.25rem 1rem; border: 1px solid var(--line); border-radius: 0.5rem; }
code, pre { font-family: ui-monospace, monospace; font-size: 0.9em; }
pre { padding: 0.75rem; background: var(--soft); border-radius: 0.25rem; overflow-x: auto; }
.method { font-weight: bold; text-transform: uppercase; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: 0.35rem 0.75rem 0.35rem 0; border-bottom: 1px solid var(--line); }
nav ul { padding-left: 1.25rem; }
`;

/**
 * Where the API is, in examples that can be pasted into a shell. Whoever asks for the page says by the header `host`
 * where it was reached, and must not be able to write another place into it.
 */
const ORIGIN = '"$CRM_API"';

export function renderDocs(document: Document): Fragment {
  const operations = operationsOf(document);
  const schemas = (document.components?.schemas ?? {}) as Record<string, Schema>;
  const tags = [...new Set(operations.flatMap((operation) => operation.tags ?? []))];
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${document.info.title} API</title>
<style>${raw(DOCS_STYLE)}</style>
</head>
<body>
<header>
<h1>${document.info.title} API</h1>
<p>${prose(document.info.description)}</p>
<p>Machine-readable: <a href="/openapi.json">openapi.json</a></p>
<p>The examples take the address of the API from the shell: <code>export CRM_API=http://127.0.0.1:3000</code></p>
</header>
<nav aria-label="Contents">
<ul>${operations.map((operation) => html`<li><a href="#${anchor(operation)}">${name(operation)}</a>: ${operation.summary}</li>`)}
<li><a href="#schemas">Schemas</a></li>
<li><a href="#problems">Problems</a></li></ul>
</nav>
<main>
${tags.map(
  (tag) => html`<section><h2>${tag}</h2>
${operations.filter((operation) => operation.tags?.includes(tag)).map((operation) => article(operation, schemas))}</section>`,
)}
<section><h2 id="schemas">Schemas</h2>
${Object.entries(schemas).map(
  ([title, schema]) => html`<article id="schema-${title}"><h3>${title}</h3>
${schema.properties ? fields(schema) : html`<p>${typeOf(schema)}</p>`}</article>`,
)}</section>
<section><h2 id="problems">Problems</h2>
<div class="scroll"><table><thead><tr><th>Kind</th><th>Status</th><th>Meaning</th></tr></thead><tbody>
${Object.entries(PROBLEMS).map(
  ([kind, { status, title }]) =>
    html`<tr id="problem-${kind}"><td><code>${kind}</code></td><td>${status}</td><td>${title}</td></tr>`,
)}</tbody></table></div></section>
</main>
</body>
</html>`;
}

/** Text in which `backticks` mark code. */
function prose(text = ''): Fragment {
  const parts = text.split('`');
  return html`${parts.map((part, index) => (index % 2 === 0 ? part : html`<code>${part}</code>`))}`;
}

function operationsOf(document: Document): Operation[] {
  return Object.entries(document.paths ?? {}).flatMap(([path, item]) =>
    Object.entries(item as Record<string, Omit<Operation, 'method' | 'path'>>)
      .filter(([method]) => METHODS.includes(method))
      .map(([method, operation]) => ({ ...operation, method, path })),
  );
}

function name({ method, path }: Operation): Fragment {
  return html`<code><span class="method">${method}</span> ${path}</code>`;
}

function anchor({ method, path }: Operation): string {
  return `${method}${path.replaceAll(/[^a-z0-9]+/giu, '-')}`;
}

function article(operation: Operation, schemas: Record<string, Schema>): Fragment {
  const body = operation.requestBody?.content['application/json']?.schema;
  return html`<article id="${anchor(operation)}">
<h3>${name(operation)}</h3>
<p>${prose(operation.description)}</p>
${body ? html`<p>Request body: ${typeOf(body)}</p>` : ''}
<pre tabindex="0">${curl(operation, body && resolved(body, schemas))}</pre>
<div class="scroll"><table><thead><tr><th>Status</th><th>Meaning</th><th>Body</th></tr></thead><tbody>
${Object.entries(operation.responses).map(
  ([status, response]) =>
    html`<tr><td>${status}</td><td>${response.description}</td><td>${bodyType(response.content)}</td></tr>`,
)}</tbody></table></div>
</article>`;
}

function bodyType(content: Content = {}): Fragment[] {
  return Object.entries(content).map(([mediaType, { schema }]) =>
    schema?.$ref ? typeOf(schema) : html`<code>${mediaType}</code>`,
  );
}

function curl({ method, path }: Operation, body: Schema | undefined): string {
  const verb = method === 'get' ? '' : ` -X ${method.toUpperCase()}`;
  const example = body && exampleOf(body);
  const data = example === undefined ? '' : ` -H 'content-type: application/json' -d '${JSON.stringify(example)}'`;
  return `curl${verb} ${ORIGIN}${path}${data}`;
}

function exampleOf(schema: Schema): unknown {
  if (schema.example !== undefined) return schema.example;
  return Object.fromEntries(
    Object.entries(schema.properties ?? {}).flatMap(([key, property]) =>
      property.example === undefined ? [] : [[key, property.example]],
    ),
  );
}

function fields(schema: Schema): Fragment {
  return html`<div class="scroll"><table><thead><tr><th>Field</th><th>Type</th><th>Meaning</th></tr></thead><tbody>
${Object.entries(schema.properties ?? {}).map(
  ([key, property]) => html`<tr><td><code>${key}</code>${schema.required?.includes(key) ? '' : ' (optional)'}</td>
<td>${typeOf(property)}</td><td>${prose(property.description)}${nested(property)}</td></tr>`,
)}</tbody></table></div>`;
}

/** The fields of an object that has no name of its own, below the field that holds it. */
function nested(schema: Schema): Fragment | '' {
  if (schema.properties) return fields(schema);
  if (schema.items?.properties) return fields(schema.items);
  if (typeof schema.additionalProperties === 'object' && schema.additionalProperties.properties) {
    return fields(schema.additionalProperties);
  }
  return '';
}

function typeOf(schema: Schema): Fragment {
  if (schema.$ref) {
    const title = nameOf(schema.$ref);
    return html`<a href="#schema-${title}">${title}</a>`;
  }
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices) return joined(choices.map(typeOf));
  if (schema.enum) return joined(schema.enum.map((value) => html`<code>${String(value)}</code>`));
  if (schema.const !== undefined) return html`<code>${String(schema.const)}</code>`;
  if (schema.items) return html`array of ${typeOf(schema.items)}${nullable(schema)}`;
  return html`${[schema.type ?? 'any'].flat().join(' or ')}${schema.format ? ` (${schema.format})` : ''}`;
}

function nullable(schema: Schema): string {
  return Array.isArray(schema.type) && schema.type.includes('null') ? ' or null' : '';
}

function joined(parts: Fragment[]): Fragment {
  return html`${parts.map((part, index) => (index === 0 ? part : html` or ${part}`))}`;
}

function resolved(schema: Schema, schemas: Record<string, Schema>): Schema {
  return schema.$ref ? (schemas[nameOf(schema.$ref)] ?? {}) : schema;
}

function nameOf(reference: string): string {
  return reference.slice(reference.lastIndexOf('/') + 1);
}
