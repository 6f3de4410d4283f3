// People with good tokens, who ask all along.
import { Agent, request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { percentile } from '../latency/latencies.ts';

export interface Caller {
  /** How the report calls it. */
  name: string;
  /** Address of this machine that it asks from. */
  from: string;
  token: string;
}

export interface Asked {
  name: string;
  asked: number;
  /** Answers other than 200, and questions without an answer. */
  refused: number;
  /** Milliseconds. */
  p50: number;
  p99: number;
}

const EVERY_MS = 100;
const PATIENCE_MS = 10_000;

/** Has them ask again and again. @returns a function that ends it and tells how they fared */
export function startCallers(port: number, path: string, callers: readonly Caller[]): () => Promise<Asked[]> {
  const over = new AbortController();
  const asking = callers.map((caller) => askAllAlong(port, path, caller, over.signal));
  return () => {
    over.abort();
    return Promise.all(asking);
  };
}

async function askAllAlong(port: number, path: string, caller: Caller, over: AbortSignal): Promise<Asked> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const took: number[] = [];
  let refused = 0;
  while (!over.aborted) {
    const began = performance.now();
    if ((await ask(agent, port, path, caller)) === 200) took.push(performance.now() - began);
    else refused += 1;
    await sleep(EVERY_MS, undefined, { signal: over }).catch(() => {}); // ended: nothing is left to wait for
  }
  agent.destroy();
  const sorted = Float64Array.from(took).sort();
  const [p50, p99] = [percentile(sorted, 0.5), percentile(sorted, 0.99)];
  return { name: caller.name, asked: took.length + refused, refused, p50, p99 };
}

/** @returns the status, 0 without an answer */
function ask(agent: Agent, port: number, path: string, { from, token }: Caller): Promise<number> {
  return new Promise((resolve) => {
    const headers = { authorization: `Bearer ${token}`, 'x-forwarded-for': from };
    const target = { host: '127.0.0.1', port, path, localAddress: from, agent, headers, timeout: PATIENCE_MS };
    const asked = request(target, (answer) => {
      answer.resume().on('close', () => resolve(answer.statusCode ?? 0));
    });
    asked.on('timeout', () => asked.destroy());
    asked.on('error', () => resolve(0));
    asked.end();
  });
}
