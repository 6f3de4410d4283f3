/** Fingerprint of the package-lock.json in a folder. */
export function lockHash(directory: string): string;
/** Whether node_modules holds what package-lock.json asks for. */
export function isInstalled(directory: string): boolean;
/** Notes that node_modules was installed from the present package-lock.json. */
export function markInstalled(directory: string): void;
