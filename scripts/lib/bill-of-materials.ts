/** What a bill of materials must say: every package that is delivered, with a licence that we may deliver. */
import { z } from 'zod';

const componentSchema = z.looseObject({
  'bom-ref': z.string(),
  name: z.string(),
  version: z.string(),
  purl: z.string().optional(),
  licenses: z
    .array(
      z.union([
        z.looseObject({ license: z.looseObject({ id: z.string().optional(), name: z.string().optional() }) }),
        z.looseObject({ expression: z.string() }),
      ]),
    )
    .optional(),
});

export const billSchema = z.looseObject({
  bomFormat: z.literal('CycloneDX'),
  specVersion: z.string(),
  components: z.array(componentSchema),
  dependencies: z.array(z.looseObject({ ref: z.string(), dependsOn: z.array(z.string()).optional() })).default([]),
});

export type Bill = z.infer<typeof billSchema>;
type Component = Bill['components'][number];

const lockSchema = z.object({
  packages: z.record(
    z.string(),
    z.looseObject({
      name: z.string().optional(),
      version: z.string().optional(),
      dev: z.boolean().optional(),
      optional: z.boolean().optional(),
      devOptional: z.boolean().optional(),
      license: z.string().optional(),
      integrity: z.string().optional(),
      resolved: z.string().optional(),
      hasInstallScript: z.boolean().optional(),
      cpu: z.array(z.string()).optional(),
      os: z.array(z.string()).optional(),
    }),
  ),
});

export type Lock = z.infer<typeof lockSchema>;

/** @throws ZodError when it is no lockfile of npm, version 3 */
export function parseLock(text: string): Lock {
  return lockSchema.parse(JSON.parse(text));
}

/** Licences that ask for no more than their text being kept, and one of data. Anything else is looked at by a person. */
export const LICENCES: ReadonlySet<string> = new Set([
  'MIT',
  'MIT-0',
  'ISC',
  '0BSD',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'Apache-2.0',
  'BlueOak-1.0.0',
  'CC0-1.0',
  'CC-BY-4.0',
  'Unlicense',
]);

/** Packages that don't say their licence in package.json; it was read in the file LICENSE that they ship. */
export const READ_BY_HAND: Readonly<Record<string, string>> = {
  '@kafkajs/confluent-schema-registry': 'MIT',
  unionfs: 'Unlicense',
};

/** Whether all of an expression of SPDX is allowed: each part of `AND`, one part of `OR`. */
export function isAllowed(expression: string): boolean {
  const plain = expression.replaceAll(/[()]/gu, '').trim();
  if (plain.includes(' OR ')) return plain.split(' OR ').some(isAllowed);
  return plain.split(' AND ').every((id) => LICENCES.has(id.trim()));
}

/** As SPDX writes it; null when the package does not say. */
export function licenceOf({ name, licenses = [] }: Component): string | null {
  const said = licenses.map((entry) =>
    'license' in entry
      ? ((entry.license as { id?: string; name?: string }).id ?? (entry.license as { name?: string }).name ?? '')
      : String(entry.expression),
  );
  return said.length > 0 ? said.join(' AND ') : (READ_BY_HAND[name] ?? null);
}

/** The name of a package by its place in node_modules. */
export function nameAt(place: string): string {
  return place.slice(place.lastIndexOf('node_modules/') + 'node_modules/'.length);
}

/**
 * The bill without what serves development alone. npm's own `--omit dev` also leaves out what both need.
 * @param bill of everything
 */
export function delivered(bill: Bill, lock: Lock): Bill {
  const kept = new Set(
    Object.entries(lock.packages)
      .filter(([place, { dev }]) => place !== '' && dev !== true)
      .map(([place, { name, version }]) => `${name ?? nameAt(place)}@${version}`),
  );
  const components = bill.components.filter(({ name, version }) => kept.has(`${name}@${version}`));
  const gone = new Set(bill.components.map((component) => component['bom-ref']));
  for (const component of components) gone.delete(component['bom-ref']);
  const dependencies = bill.dependencies
    .filter(({ ref }) => !gone.has(ref))
    .map(({ ref, dependsOn = [] }) => ({ ref, dependsOn: dependsOn.filter((other) => !gone.has(other)) }));
  return { ...bill, components, dependencies };
}

/**
 * What is wrong with a bill, one sentence each.
 * @param lock packages that are optional may be left out: they are for other systems
 */
export function faultsOf(bill: Bill, lock: Lock): string[] {
  const listed = new Set(bill.components.map(({ name, version }) => `${name}@${version}`));
  const missing = Object.entries(lock.packages)
    .filter(([place, { dev, devOptional, optional }]) => place !== '' && !dev && !devOptional && !optional)
    .map(([place, { name, version }]) => `${name ?? nameAt(place)}@${version}`)
    .filter((item) => !listed.has(item));
  const licences = bill.components.flatMap((component) => {
    const licence = licenceOf(component);
    const item = `${component.name}@${component.version}`;
    if (licence === null) return [`${item} does not say its licence`];
    return isAllowed(licence) ? [] : [`${item} has the licence ${licence}, which nobody has looked at`];
  });
  return [...missing.map((item) => `${item} is missing`), ...licences];
}
