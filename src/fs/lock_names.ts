/**
 * The names of the files that are there while a lock is taken, beside the lock file.
 *
 * @module
 */
const CLAIM = ".claim";

/** A claim's nonce, as the end of a file's name. */
const NONCE = /^[0-9a-f]{16}$/;

/** In place of the nonce of a claim that has none, as one that a power cut has torn. */
const NO_NONCE = "0";

/** The file that claims the right to write the record in a lock file. */
export function claimPath(lock: string): string {
  return lock + CLAIM;
}

/** The file that claims the right to remove a stale claim, by the claim's nonce. */
export function removalPath(claim: string, nonce: string | undefined): string {
  return `${claim}.${nonce !== undefined && NONCE.test(nonce) ? nonce : NO_NONCE}`;
}

/** Whether a name is a lock file's, or one of a file that is there while its lock is taken. */
export function isNameOfLock(lock: string, name: string): boolean {
  const claim = claimPath(lock);
  if (name === lock || name === claim) return true;
  const nonce = name.slice(claim.length + 1);
  return name.startsWith(`${claim}.`) && (NONCE.test(nonce) || nonce === NO_NONCE);
}
