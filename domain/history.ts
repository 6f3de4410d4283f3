/** An entity over time: which of its fields an event changed. */

/** An entity's fields by the names of the contract; times in ISO 8601, days as YYYY-MM-DD, amounts as exact text. */
export type EntityData = Readonly<Record<string, string | number | null>>;

export interface FieldChange {
  field: string;
  from: string | number | null;
  to: string | number | null;
}

/** @param before null for the first version, in which every field that it has is new */
export function changedFields(before: EntityData | null, after: EntityData): FieldChange[] {
  return Object.entries(after)
    .map(([field, to]) => ({ field, from: before?.[field] ?? null, to }))
    .filter(({ from, to }) => from !== to);
}
