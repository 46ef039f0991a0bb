/**
 * The errors of a machine's calls.
 *
 * @module
 */
import { reasonOf, WalError } from "../errors.ts";

/** A call that changes the state or closes the machine, made while an event is applied. */
export function busy(path: string): WalError {
  return new WalError(
    "ERR_WAL_BUSY",
    `Cannot change or close "${path}": apply or decode is running for another event. Nothing was ` +
      "written. Make the call outside of apply and decode: they only compute the next state.",
  );
}

/** An event that `apply` has refused, where the state is as before. */
export function refused(path: string, cause: unknown): WalError {
  return new WalError(
    "ERR_MACHINE_REFUSED",
    `apply has refused an event for "${path}": ${
      reasonOf(cause)
    }. Nothing was written, and the state ` +
      "is as before. What it threw is the cause.",
    { cause },
  );
}

/** Events that could not be taken back from the state. */
export function diverged(path: string, what: string, cause: unknown): WalError {
  return new WalError(
    "ERR_MACHINE_DIVERGED",
    `The state of "${path}" may have what its log has not: ${what} failed (${
      reasonOf(cause)
    }), and ` +
      "apply changes the state that it gets, so this could not be taken back. The machine has ended. " +
      "Close it and open it again, which rebuilds the state from the log.",
    { cause },
  );
}
