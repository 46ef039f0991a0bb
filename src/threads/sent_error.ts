/**
 * Errors that go from one thread to another: of the same class there, with the same code, message and
 * fields. A cause keeps its code and its message.
 *
 * @module
 */
import {
  CorruptionError,
  LockedError,
  type LockHolder,
  MovedError,
  SyncFailedError,
  WalError,
  type WalErrorCode,
} from "../errors.ts";
import { memberOf } from "../fs/file_system.ts";
import type { SentError } from "./protocol.ts";

/** The fields that errors of some class have besides. */
const FIELDS: readonly string[] = [
  "path",
  "offset",
  "firstIndexAtRisk",
  "holder",
  "durableIndex",
  "what",
];

/** Takes an error apart. */
export function packError(error: unknown): SentError {
  const cause = causeOf(error);
  const fields = error instanceof WalError
    ? Object.fromEntries(
      FIELDS.filter((name) => name in error).map((name) => [name, Reflect.get(error, name)]),
    )
    : {};
  return {
    code: error instanceof WalError ? error.code : undefined,
    message: String(memberOf(error, "message") ?? error),
    fields,
    cause: cause === undefined
      ? undefined
      : { code: memberOf(cause, "code"), message: String(memberOf(cause, "message") ?? cause) },
  };
}

function causeOf(error: unknown): unknown {
  return error instanceof WalError ? error.cause : undefined;
}

/** Puts it together again. */
export function unpackError({ code, message, fields, cause }: SentError): Error {
  const options = cause === undefined
    ? undefined
    : { cause: Object.assign(new Error(cause.message), { code: cause.code }) };
  if (code === undefined) return new Error(message, options);
  const error = ofItsClass(code as WalErrorCode, message, fields, options);
  // The classes word their own.
  error.message = message;
  return error;
}

function ofItsClass(
  code: WalErrorCode,
  message: string,
  fields: SentError["fields"],
  options: ErrorOptions | undefined,
): WalError {
  const path = String(fields.path);
  const durableIndex = Number(fields.durableIndex);
  switch (code) {
    case "ERR_WAL_SYNC_FAILED":
      return new SyncFailedError(path, durableIndex, "", options?.cause);
    case "ERR_WAL_MOVED":
      return new MovedError(path, durableIndex, String(fields.what));
    case "ERR_WAL_LOCKED":
      return new LockedError(path, fields.holder as LockHolder, message);
    case "ERR_WAL_CORRUPT": {
      const place = {
        offset: Number(fields.offset),
        firstIndexAtRisk: Number(fields.firstIndexAtRisk),
      };
      return new CorruptionError(message, { path, ...place });
    }
    default:
      return new WalError(code, message, options);
  }
}
