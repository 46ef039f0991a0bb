export function existsSync(path: string): boolean;
export function ensureDir(path: string): Promise<void>;
