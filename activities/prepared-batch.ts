import type { Batch, BatchSlice, Delivery } from './ports.ts';

/**
 * A batch that waits to be written, maybe without its deliveries: thousands of events that live for the time of a write
 * cost the collector more than to prepare them costs, and almost always nobody asks for them again.
 */
export class PreparedBatch implements Batch {
  readonly runId: string;
  readonly mode: Batch['mode'];
  readonly suppression: number;
  slices: BatchSlice[];
  #deliveries: Delivery[] = [];
  /** How many come before those. */
  #released = 0;
  readonly #prepareAgain: (count: number) => Delivery[];

  /** @param prepareAgain makes so many of the first deliveries out of the records once more */
  constructor(
    { runId, mode, suppression, slices }: Omit<Batch, 'deliveries'>,
    prepareAgain: (count: number) => Delivery[],
  ) {
    this.runId = runId;
    this.mode = mode;
    this.suppression = suppression;
    this.slices = slices;
    this.#prepareAgain = prepareAgain;
  }

  get deliveries(): Delivery[] {
    if (this.#released > 0) this.deliveries = [...this.#prepareAgain(this.#released), ...this.#deliveries];
    return this.#deliveries;
  }

  set deliveries(deliveries: Delivery[]) {
    this.#deliveries = deliveries;
    this.#released = 0;
  }

  /**
   * Takes the next deliveries in.
   * @param isReleased they are as they were prepared, and so are all before them, and need not be kept
   */
  add(deliveries: readonly Delivery[], isReleased: boolean): void {
    if (isReleased) this.#released += deliveries.length;
    else for (const delivery of deliveries) this.#deliveries.push(delivery);
  }
}
