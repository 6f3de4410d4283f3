/**
 * Hides credentials inside a text that is about to be shown: everything before the last @ of a URL or address (a
 * password may itself hold @, / or #), and the values of parameters such as `password=`.
 */
export function maskCredentials(text: string): string {
  return bounded(text)
    .replace(/([a-z][a-z0-9+.-]*:\/\/)[^\s"']*@/giu, '$1***@')
    .replace(/(^|[\s,"'])[^\s,"'@/]*:(?!\/\/)[^\s"'@]*@(?=[\w[])/gu, '$1***@')
    .replace(/((?:password|passwd|secret|token|api_?key)=)[^&\s"']+/giu, '$1***');
}

/** The patterns look ahead from every character, so that they would take minutes for what nobody will read to its end. */
const LONGEST = 10_000;

/** A long text up to its last whole word before the limit: a part of a word may be a part of a password. */
function bounded(text: string): string {
  return text.length <= LONGEST ? text : `${text.slice(0, text.lastIndexOf(' ', LONGEST) + 1)}…`;
}
