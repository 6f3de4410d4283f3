const BOM = Buffer.from([0xef, 0xbb, 0xbf]);

/** Content without the byte order mark that some programs write before UTF-8. */
export function withoutBom(content: Buffer): Buffer {
  return content.subarray(0, BOM.length).equals(BOM) ? content.subarray(BOM.length) : content;
}
