import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cellsOf, findRowEnd } from '../../../adapters/files/csv-rows.ts';
import type { Piece } from '../../../adapters/files/pieces.ts';
import { LONGEST_ROW } from '../../../adapters/files/problems.ts';
import { createRowSplitter, type FindEnd, findLineEnd } from '../../../adapters/files/rows.ts';

function piecesOf(findEnd: FindEnd, content: Buffer, sizes: readonly number[]): Piece[] {
  const splitter = createRowSplitter(findEnd, { from: 1, byte: 0 });
  const pieces: Piece[] = [];
  for (let at = 0, turn = 0; at < content.length; turn += 1) {
    const size = sizes[turn % sizes.length] ?? content.length;
    pieces.push(...splitter.push(content.subarray(at, at + size)));
    at += size;
  }
  return [...pieces, ...splitter.end()];
}

const csv = (text: string, ...sizes: number[]) => piecesOf(findRowEnd(','), Buffer.from(text), sizes);
const shown = (pieces: readonly Piece[]) =>
  pieces.map(({ from, content, problem }) => [from, content.toString(), problem?.name ?? null]);

/** Text in which quotes, delimiters and line breaks are everywhere. */
const messy = fc
  .array(fc.constantFrom('a', 'ü', ',', '"', '""', '\n', '\r\n', '"x,\ny"', '",'), { maxLength: 60 })
  .map((parts) => parts.join(''));

describe('rows', () => {
  it('are the same however the content is divided into buffers', () => {
    fc.assert(
      fc.property(messy, fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }), (text, sizes) => {
        for (const findEnd of [findLineEnd, findRowEnd(',')]) {
          const content = Buffer.from(text);
          expect(piecesOf(findEnd, content, sizes)).toEqual(piecesOf(findEnd, content, [content.length]));
        }
      }),
    );
  });

  it('account for every line and byte, and can be read again from each of them', () => {
    fc.assert(
      fc.property(messy, (text) => {
        const content = Buffer.from(text);
        const pieces = piecesOf(findRowEnd(','), content, [content.length]);
        const last = pieces.at(-1);
        const lines = text.split('\n').length - (text === '' || text.endsWith('\n') ? 1 : 0);
        expect(last?.next ?? 1).toBe(lines + 1);
        for (const [index, { from, byte }] of pieces.entries()) {
          const splitter = createRowSplitter(findRowEnd(','), { from, byte });
          expect([...splitter.push(content.subarray(byte)), ...splitter.end()]).toEqual(pieces.slice(index));
        }
      }),
    );
  });

  it('may have line breaks, delimiters and doubled quotes inside of quotes', () => {
    const rows = csv('a,"b\nc,""d"""\r\n"e",f\n', 1);
    expect(shown(rows)).toEqual([
      [1, 'a,"b\nc,""d"""', null],
      [3, '"e",f', null],
    ]);
    expect(cellsOf(rows[0]!.content.toString(), ',')).toEqual(['a', 'b\nc,"d"']);
  });

  it('keep a quote inside a cell that does not begin with one', () => {
    expect(cellsOf('5" pipe,"5"" pipe"', ',')).toEqual(['5" pipe', '5" pipe']);
    expect(shown(csv('5" pipe,b\nc,d'))).toEqual([
      [1, '5" pipe,b', null],
      [2, 'c,d', null],
    ]);
  });

  it.each([
    ['is never closed', 'a,"b\nc,d\ne,f\n', [2, 3]],
    ['has text behind it', '"a"b,c\nd,e\n', [2]],
  ])('of which a quote %s cost one line', (_, text, sound) => {
    const rows = csv(text, 2);
    expect(rows[0]).toMatchObject({ from: 1, next: 2, problem: { name: 'quote' } });
    expect(rows.slice(1).map(({ from, problem }) => [from, problem])).toEqual(sound.map((line) => [line, null]));
  });

  it('whose quote stays open for longer than a row may be give up at their first line', () => {
    const filler = `${'x'.repeat(99)}\n`.repeat(Math.ceil(LONGEST_ROW / 100) + 1);
    const rows = csv(`"open\n${filler}end"\n`, 64 * 1024);
    expect(rows[0]).toMatchObject({ from: 1, next: 2, byte: 0, problem: { name: 'quote' } });
    expect(rows[1]).toMatchObject({ from: 2, byte: 6, problem: null });
    expect(rows.at(-1)!.content.toString()).toBe(`end"`);
  });
});
