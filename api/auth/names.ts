/** Before the name of an API key where it signs for something; no token may bear a name that begins so. */
export const KEY_NAME_PREFIX = 'key:';
