/** How many letters may be wrong, missing, added or swapped for a name still to count as misspelt. */
const MOST_EDITS = 2;

/** Sentences about variables that are unknown but nearly spelt like one of ours. */
export function likelyTypos(found: readonly string[], known: readonly string[]): string[] {
  const names = new Set(known);
  return found.flatMap((name) => {
    if (names.has(name)) return [];
    const meant = known.find((candidate) => !found.includes(candidate) && isNear(name, candidate));
    return meant ? [`${name} is unknown and ignored; did you mean ${meant}?`] : [];
  });
}

function isNear(name: string, candidate: string): boolean {
  // Short names such as API_KEY and API_PORT are near each other without being misspelt.
  if (Math.abs(name.length - candidate.length) > MOST_EDITS || candidate.length < 5 * MOST_EDITS) return false;
  return edits(name, candidate) <= MOST_EDITS;
}

/** Levenshtein distance, one row of the matrix at a time. */
function edits(a: string, b: string): number {
  let above = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row += 1) {
    const current = [row];
    for (let column = 1; column <= b.length; column += 1) {
      const substituted = (above[column - 1] ?? 0) + (a[row - 1] === b[column - 1] ? 0 : 1);
      current.push(Math.min(substituted, (above[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1));
    }
    above = current;
  }
  return above[b.length] ?? 0;
}
