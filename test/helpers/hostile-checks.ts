/** What no answer to anybody may hold, whatever was asked. */
import { ProblemSchema } from '../../api/errors.ts';
import { PLANTED } from './hostile-api.ts';
import type { RawAnswer } from './hostile-socket.ts';

/** Traces of the inside: stacks, SQL, drivers, connection strings. */
const INSIDE =
  /\n\s+at \S|node_modules|\.ts:\d|\b(?:SELECT|INSERT INTO|UPDATE|DELETE FROM) [\w".*]+|syntax error|violates|22P0\d|slonik|ioredis|postgres(?:ql)?:\/\/|ECONN|TypeError|RangeError|ZodError/u;

/** Written into requests to see whether it comes back; text of a page would have to be escaped. */
export const SCRIPT = '<script>alert(1)</script>';

/** What is wrong with an answer, one sentence each. @param statuses that are allowed */
export function faultsOf(answer: RawAnswer | null, statuses: readonly number[]): string[] {
  if (answer === null) return statuses.length === 0 ? [] : ['the server closed without an answer'];
  const { status, headers, body } = answer;
  const faults: string[] = [];
  if (statuses.length > 0 && !statuses.includes(status)) faults.push(`status ${status} instead of ${statuses}`);
  if (status >= 500) faults.push(`status ${status}`);
  return [...faults, ...leaksOf(headers.get('content-type') ?? '', body, status), ...headerFaults(headers)];
}

/** @param type the content type */
export function leaksOf(type: string, body: string, status: number): string[] {
  const faults: string[] = [];
  // A problem names the path as it was asked for.
  const inside = INSIDE.exec(type.includes('problem+json') ? body.replace(/"instance":"(?:[^"\\]|\\.)*"/u, '') : body);
  // The page and the document of the API speak of PostgreSQL and SQL by themselves.
  if (inside !== null && status !== 200) faults.push(`it tells of the inside: ${inside[0]}`);
  if (body.includes(PLANTED)) faults.push('it shows rows that were not asked for');
  if (body.includes('evil.example') && !body.includes('"instance":"http'))
    faults.push('it names the place of an attacker');
  if (type.includes('html') && body.includes(SCRIPT)) faults.push('it repeats a script as it was sent');
  if (type.includes('problem+json') && body !== '' && !isProblem(body, status))
    faults.push(`no sound problem: ${body.slice(0, 200)}`);
  return faults;
}

function headerFaults(headers: RawAnswer['headers']): string[] {
  const faults: string[] = [];
  if (headers.has('x-injected')) faults.push('it has a header that was injected');
  if (headers.has('x-powered-by') || headers.has('server')) faults.push('it tells what it is made of');
  if (headers.has('access-control-allow-origin')) faults.push('it lets other sites read');
  // Answers of Node's own parser have neither a type nor a body.
  if (headers.has('content-type') && headers.has('x-request-id')) {
    if (headers.get('x-content-type-options') !== 'nosniff') faults.push('browsers may guess its type');
    if (headers.get('cache-control') !== 'no-store') faults.push('caches may keep it');
  }
  return faults;
}

function isProblem(body: string, status: number): boolean {
  try {
    const problem = ProblemSchema.strict().safeParse(JSON.parse(body));
    return problem.success && problem.data.status === status;
  } catch {
    return false;
  }
}
