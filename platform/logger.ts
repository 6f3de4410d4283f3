/** Structured logs: one JSON object a line on standard output. */
import type { Writable } from 'node:stream';
import winston from 'winston';
import { plainName, safeFields, safeText } from './log-safety.ts';

export type Fields = Readonly<Record<string, unknown>>;

export interface Logger {
  error(message: string, fields?: Fields): void;
  warn(message: string, fields?: Fields): void;
  info(message: string, fields?: Fields): void;
  debug(message: string, fields?: Fields): void;
  /** A logger that adds these fields to each of its lines; a line's own fields win. */
  child(fields: Fields): Logger;
}

export interface RootLogger extends Logger {
  /** Resolves when every line has been handed to the operating system; nothing may be logged afterwards. */
  close(): Promise<void>;
}

export type LogLevel = 'error' | 'warn' | 'info' | 'debug';

/**
 * Makes the logger of a process. Fields may hold an Error, which is logged by name, message and code. Values under
 * names of personal data or secrets are replaced, and credentials and e-mail addresses inside texts masked.
 * @param service which process this is, such as `worker`
 * @param personal names of fields that hold personal data, beside those that are known here
 */
export function createLogger(options: {
  level: LogLevel;
  service: string;
  personal?: readonly string[];
  stream?: Writable;
}): RootLogger {
  const stream = options.stream ?? process.stdout;
  const personal = new Set((options.personal ?? []).map(plainName));
  const logger = winston.createLogger({
    level: options.level,
    levels: { error: 0, warn: 1, info: 2, debug: 3 },
    format: winston.format.printf((info) => line(info, options.service, personal)),
    transports: [new winston.transports.Stream({ stream, eol: '\n' })],
  });
  return {
    ...withFields(logger, {}),
    async close() {
      await new Promise<void>((resolve) => {
        logger.once('finish', resolve);
        logger.end();
      });
      // Writes keep their order, so an empty one is through only after all before it.
      await new Promise<void>((resolve) => stream.write('', () => resolve()));
    },
  };
}

function withFields(logger: winston.Logger, context: Fields): Logger {
  const log = (level: LogLevel) => (message: string, fields?: Fields) => {
    // Nested, since winston would append a field named `message` to the message.
    logger.log({ level, message, fields: { ...context, ...fields } });
  };
  return {
    error: log('error'),
    warn: log('warn'),
    info: log('info'),
    debug: log('debug'),
    child: (fields) => withFields(logger, { ...context, ...fields }),
  };
}

function line(info: winston.Logform.TransformableInfo, service: string, personal: ReadonlySet<string>): string {
  const own = {
    timestamp: new Date().toISOString(),
    level: info.level,
    message: safeText(String(info.message)),
    service,
  };
  // Spread twice: first for the order of the keys, then so that no field can replace one of the line's own.
  return JSON.stringify({ ...own, ...safeFields(info.fields, { frames: info.level === 'error', personal }), ...own });
}
