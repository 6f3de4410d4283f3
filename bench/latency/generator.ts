// Sends records on a fixed schedule from a thread of its own, so that whoever watches them does not slow it down.
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { GeneratorSettings, Order, Punctuality, Ready } from './generator-messages.ts';

export interface Generator extends Ready {
  /**
   * Sends everything and resolves when Kafka has it all.
   * @throws Error when Kafka refused a record, or wrote one in another place than expected
   */
  send(order: Order): Promise<Punctuality>;
  close(): Promise<void>;
}

const THREAD = new URL('generator-thread.ts', import.meta.url);

/** Starts the thread, which reads what it will send. @throws what the thread throws */
export async function openGenerator(settings: GeneratorSettings): Promise<Generator> {
  const thread = new Worker(THREAD, { workerData: settings });
  const close = async () => {
    await thread.terminate();
  };
  try {
    const [ready] = (await once(thread, 'message')) as [Ready];
    return {
      ...ready,
      async send(order) {
        thread.postMessage(order);
        const [punctuality] = (await once(thread, 'message')) as [Punctuality];
        return punctuality;
      },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}
