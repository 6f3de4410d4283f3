// Running the ordinary clients (mvn, npm, apt-get, go, docker) and saying what went wrong when one fails.
import { spawn } from 'node:child_process';

export type RunOptions = {
  cwd?: string;
  env?: Record<string, string>;
  user?: { uid: number; gid: number } | undefined;
  input?: string;
  /** Milliseconds after which the command is killed; default none. */
  timeoutMs?: number;
};

/**
 * Runs a command to its end.
 * @returns its standard output
 * @throws Error with the command line and the last lines of its output when it fails or is not installed
 */
export function run(command: string, args: string[], options: RunOptions = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: options.cwd,
      env: { ...process.env, ...options.env },
      timeout: options.timeoutMs,
      stdio: ['pipe', 'pipe', 'pipe'],
      ...options.user,
    });
    let output = '';
    let everything = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text;
      everything += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      everything += text;
    });
    child.stdin.on('error', () => {}); // it may end without reading its input
    child.stdin.end(options.input ?? '');
    child.once('error', (error: NodeJS.ErrnoException) => {
      reject(error.code === 'ENOENT' ? new Error(`${command} is not installed or not on the PATH`) : error);
    });
    child.once('close', (code, signal) => {
      if (code === 0) return resolve(output);
      reject(new Error(`${[command, ...args].join(' ')} ended with ${signal ?? code}:\n${lastLines(everything, 20)}`));
    });
  });
}

/** The end of a text, for messages. */
export function lastLines(text: string, count: number): string {
  return text.trimEnd().split('\n').slice(-count).join('\n');
}

/** Awaits `work`, logging `label` at once and the seconds so far every five seconds. */
export async function withProgress<T>(log: (line: string) => void, label: string, work: () => Promise<T>): Promise<T> {
  const start = performance.now();
  const seconds = () => `${Math.round((performance.now() - start) / 1000)} s`;
  log(`${label} …`);
  const timer = setInterval(() => log(`${label} … ${seconds()}`), 5_000);
  try {
    const result = await work();
    log(`${label}: done in ${seconds()}`);
    return result;
  } finally {
    clearInterval(timer);
  }
}
