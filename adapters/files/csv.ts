import { isUtf8 } from 'node:buffer';
import { type FileReading, InvalidFileError } from '../../activities/file-ports.ts';
import { compileMapping } from './csv-mapping.ts';
import { cellsOf, findRowEnd } from './csv-rows.ts';
import { type Layout, recordOf } from './pieces.ts';
import { marked } from './problems.ts';
import { createRowSplitter } from './rows.ts';
import { withoutBom } from './text.ts';

type Csv = NonNullable<FileReading['csv']>;

/**
 * @param start the first buffers of the content, for the header line
 * @throws InvalidFileError when there is no header line, or not the columns that the mapping names
 */
export async function readCsvLayout(csv: Csv, start: AsyncIterable<Buffer>): Promise<Layout> {
  const { delimiter } = csv;
  if (!/^[\x20-\x7e\t]$/u.test(delimiter) || delimiter === '"') {
    throw new InvalidFileError('the delimiter of a CSV file must be one character of ASCII, and no quote');
  }
  const findEnd = findRowEnd(delimiter);
  const columns = await readHeader(start, csv);
  const toJson = compileMapping(csv, columns);
  return {
    firstByte: 0,
    splitter: (at) => createRowSplitter(findEnd, at),
    records({ from, byte, content, problem }) {
      if (byte === 0 || content.length === 0) return [];
      if (problem !== null) return [recordOf(from, marked(problem, content))];
      if (!isUtf8(content)) return [recordOf(from, marked({ name: 'text', numbers: [] }, content))];
      const cells = cellsOf(content.toString('utf8'), delimiter);
      const value =
        cells.length === columns.length
          ? Buffer.from(toJson(cells))
          : marked({ name: 'columns', numbers: [cells.length, columns.length] }, content);
      return [recordOf(from, value)];
    },
  };
}

async function readHeader(start: AsyncIterable<Buffer>, { delimiter, mapping }: Csv): Promise<string[]> {
  const splitter = createRowSplitter(findRowEnd(delimiter), { from: 1, byte: 0 });
  let [header] = [] as ReturnType<typeof splitter.push>;
  for await (const bytes of start) {
    [header] = splitter.push(bytes);
    if (header !== undefined) break;
  }
  header ??= splitter.end()[0];
  if (header === undefined || header.problem !== null || !isUtf8(header.content)) {
    throw new InvalidFileError('line 1 must be the header line of the CSV file: the names of its columns, in UTF-8');
  }
  const columns = cellsOf(withoutBom(header.content).toString('utf8'), delimiter).map((name) => name.trim());
  const missing = Object.keys(mapping).filter((name) => !columns.includes(name));
  if (missing.length > 0) {
    // The names are those of the request; what the file has instead may be anything.
    throw new InvalidFileError(`the header line lacks columns that the mapping names: ${missing.join(', ')}`);
  }
  return columns;
}
