/** Adds counts of one shape, name by name. @param a has every name; one that `b` lacks counts as none */
export function addCounts<Counts extends { [Name in keyof Counts]: number }>(a: Counts, b: Partial<Counts>): Counts {
  const sum = { ...a };
  for (const name of Object.keys(a) as Array<keyof Counts>) {
    sum[name] = (a[name] + (b[name] ?? 0)) as Counts[keyof Counts];
  }
  return sum;
}
