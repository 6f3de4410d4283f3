/**
 * The JSON of an answer, of which no more than a number of bytes is read.
 * @throws Error when it is larger, or is not JSON
 */
export async function boundedJson(response: Response, mostBytes: number): Promise<unknown> {
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of response.body ?? []) {
    bytes += piece.byteLength;
    // Leaving the loop cancels the rest.
    if (bytes > mostBytes) throw new Error(`the answer is larger than ${mostBytes} bytes`);
    pieces.push(piece);
  }
  try {
    return JSON.parse(Buffer.concat(pieces).toString('utf8'));
  } catch {
    throw new Error('the answer is not JSON');
  }
}
