import { isUtf8 } from 'node:buffer';
import type { Decoded, EventDecoder } from '../../activities/ports.ts';
import { correctionToWireEvent } from '../../domain/correction.ts';
import type { FailureCode } from '../../domain/failures.ts';
import { markedProblem } from './problems.ts';

/** Files come without schemas of the registry. */
const NO_SCHEMA = 0;

/** Decodes what the reader of files makes of lines, rows and records: an event in JSON, or a mark of what is wrong. */
export function createFileDecoder(): EventDecoder {
  return {
    decode(value) {
      const problem = markedProblem(value);
      if (problem !== null) return { ok: false, rejection: problem, schemaId: NO_SCHEMA };
      if (!isUtf8(value)) return rejected('invalid_text', 'holds bytes that are not UTF-8');
      const json = parse(value);
      if (json === undefined) return rejected('undecodable', 'not an event in JSON');
      const event = correctionToWireEvent(json);
      return 'code' in event
        ? { ok: false, rejection: event, schemaId: NO_SCHEMA }
        : { ok: true, event, schemaId: NO_SCHEMA };
    },
  };
}

/** undefined when it is no JSON; what V8 says of it would quote it. */
function parse(value: Buffer): unknown {
  try {
    return JSON.parse(value.toString('utf8'));
  } catch {
    return undefined;
  }
}

function rejected(code: FailureCode, detail: string): Decoded {
  return { ok: false, rejection: { code, detail }, schemaId: NO_SCHEMA };
}
