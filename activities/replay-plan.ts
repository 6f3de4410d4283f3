/** What a replay is to read, resolved to ranges with fixed ends. */
import { type Files, FileUnavailableError, InvalidFileError } from './file-ports.ts';
import { LogUnavailableError } from './ports.ts';
import { inOrder, type ReplayPlan } from './replay-parts.ts';
import type { PlanControl, PlannedRange, ReplayRequest, ReplaySelection } from './replay-ports.ts';
import { InvalidSelectionError, offsetRanges, type RangesDeps, runRanges, timeRange } from './replay-ranges.ts';
import { windows } from './replay-windows.ts';

export interface ReplayPlanDeps extends RangesDeps {
  files: Files;
  /** In bytes. */
  chunkBytes: number;
}

/**
 * @throws InvalidSelectionError for what can't be read
 * @throws LogUnavailableError, FileUnavailableError, WriteError: try again
 */
export async function planReplay(
  deps: ReplayPlanDeps,
  { selection, lanes }: Pick<ReplayRequest, 'selection' | 'lanes'>,
  control: PlanControl,
): Promise<ReplayPlan> {
  switch (selection.by) {
    case 'offsets':
      return inOrder([await offsetRanges(deps, selection.ranges)], lanes);
    case 'time':
      return inOrder([await timeRange(deps, selection)], lanes);
    case 'run':
      return inOrder([await runRanges(deps, selection.runId)], lanes);
    case 'windows':
      return inOrder(await windows(deps, selection, control), lanes);
    case 'files':
      return filesPlan(deps, selection, control);
  }
}

async function filesPlan(
  { files, chunkBytes }: ReplayPlanDeps,
  { location, reading }: Extract<ReplaySelection, { by: 'files' }>,
  { signal, onProgress }: PlanControl,
): Promise<ReplayPlan> {
  const parts: PlannedRange[][] = [];
  const topicIds = new Map<string, string>();
  try {
    const all = await files.list(location, reading.format, signal);
    for (const [index, file] of all.entries()) {
      const place = `file ${index + 1} of ${all.length}`;
      const report = (bytes: number) => onProgress(`${place}: ${bytes} of ${file.bytes} bytes`);
      const { uri, topic, version, stamp, chunks } = await files.scan(file, reading, {
        chunkBytes,
        onProgress: report,
        signal,
      });
      topicIds.set(topic, version);
      for (const { from, to, byte } of chunks) {
        const opened = { uri, topic, version, stamp, reading, chunks: [{ from, to, byte }] };
        parts.push([{ topic, partition: 0, from, to, lost: 0, file: opened }]);
      }
    }
  } catch (error) {
    if (error instanceof InvalidFileError) throw new InvalidSelectionError(error.message);
    if (error instanceof FileUnavailableError)
      throw new LogUnavailableError('the place of the files can not be reached');
    throw error;
  }
  return { parts, topicIds };
}
