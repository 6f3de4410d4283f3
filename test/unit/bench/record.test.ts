import { describe, expect, it } from 'vitest';
import { renderBlock } from '../../../bench/record.ts';

const block = { paragraphs: ['| ratio |', 'Prose.'], versions: ['Node 24.0.0', 'PostgreSQL 18.4'], others: [0.01] };
const facts = { suite: 'full', note: null, command: 'npm run bench -- full', at: '2026-01-02 03:04', cores: 2 };

describe('renderBlock', () => {
  it('says what was run, when, and on what', () => {
    expect(renderBlock(block, facts)).toMatchInlineSnapshot(`
      "## 2026-01-02 03:04: full

      \`npm run bench -- full\`

      | ratio |

      Prose.

      2 cores; Node 24.0.0, PostgreSQL 18.4.

      Others used 1 % of the machine, at most 1 % at a time.
      "
    `);
  });

  it('has the note in the heading', () => {
    expect(renderBlock(block, { ...facts, note: 'before' })).toMatch(/^## 2026-01-02 03:04: full, before\n/);
  });

  it('says nothing of others where the system does not tell', () => {
    expect(renderBlock({ ...block, others: [null] }, facts)).not.toContain('Others');
  });
});
