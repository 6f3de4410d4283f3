import type { Fields, Logger, LogLevel } from '../../../platform/logger.ts';

export interface RecordedLine {
  level: LogLevel;
  message: string;
  fields: Fields;
}

/** A logger that keeps its lines. */
export function recordingLogger(): Logger & { lines: RecordedLine[] } {
  const lines: RecordedLine[] = [];
  const under = (context: Fields): Logger => {
    const log = (level: LogLevel) => (message: string, fields?: Fields) => {
      lines.push({ level, message, fields: { ...context, ...fields } });
    };
    return {
      error: log('error'),
      warn: log('warn'),
      info: log('info'),
      debug: log('debug'),
      child: (fields) => under({ ...context, ...fields }),
    };
  };
  return { ...under({}), lines };
}
