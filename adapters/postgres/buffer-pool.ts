/**
 * Buffers that were given back. What lives outside the heap for the time of a write has the engine collect its whole
 * heap again and again; used once more, it does not.
 */

/** Buffers have sizes that are powers of two from here on, in bytes. */
const SMALLEST = 4_096;
/** A larger one is given to the engine. */
const LARGEST = 4_194_304;
/** Those in stock have at most so many bytes together. */
const MOST_BYTES = 33_554_432;

const stock = new Map<number, Buffer[]>();
let inStock = 0;

/** @returns a buffer of at least so many bytes, whatever they hold */
export function takeBuffer(bytes: number): Buffer {
  const size = Math.max(SMALLEST, 2 ** Math.ceil(Math.log2(bytes)));
  const used = stock.get(size)?.pop();
  if (used === undefined) return Buffer.allocUnsafeSlow(size);
  inStock -= size;
  return used;
}

/** @param buffer of `takeBuffer`, which nobody looks at any more */
export function giveBuffer(buffer: Buffer): void {
  if (buffer.length > LARGEST || inStock + buffer.length > MOST_BYTES) return;
  inStock += buffer.length;
  const same = stock.get(buffer.length);
  if (same === undefined) stock.set(buffer.length, [buffer]);
  else same.push(buffer);
}
