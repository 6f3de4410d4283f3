/**
 * Hides credentials inside a text that is about to be shown: everything before the last @ of a URL or address (a
 * password may itself hold @, / or #), and the values of parameters such as `password=`.
 */
export function maskCredentials(text: string): string {
  return text
    .replace(/([a-z][a-z0-9+.-]*:\/\/)[^\s"']*@/giu, '$1***@')
    .replace(/(^|[\s,"'])[^\s,"'@/]*:(?!\/\/)[^\s"'@]*@(?=[\w[])/gu, '$1***@')
    .replace(/((?:password|passwd|secret|token|api_?key)=)[^&\s"']+/giu, '$1***');
}
