/**
 * A file system around another, one of whose calls fails, whichever it is: of the files, the
 * directories, the lock and the watch too, but for those that give back. It counts what is open.
 *
 * @module
 */
import { type FileSystem, FileSystemError, type FileSystemErrorCode } from "../../mod.ts";

/** The calls whose result has calls of its own, and is to be given back. */
const OPENING: ReadonlySet<string> = new Set(["open", "openDirectory", "lock", "guard"]);

/** The calls that fail by a promise that rejects. */
const LATER: ReadonlySet<string> = new Set(["syncData", "sync", "syncDirectory", "lock"]);

/** Fails one call. */
export class EveryCall {
  /** The calls so far, as "name path". */
  readonly calls: string[] = [];
  /** What is open now, as the calls that opened it. */
  readonly open: Set<string> = new Set();
  /** The file system that the log is given. */
  readonly fileSystem: FileSystem;
  readonly #code: FileSystemErrorCode;
  #left: number;

  /**
   * @param after How many calls go well before the one that fails.
   * @param times How many fail then.
   */
  constructor(under: FileSystem, code: FileSystemErrorCode, after: number, times = 1) {
    this.#code = code;
    this.#left = after;
    this.#times = times;
    this.fileSystem = this.#around(under, undefined);
  }

  #times: number;

  /** Whether the call has failed. */
  get hasFailed(): boolean {
    return this.#left < 0;
  }

  #around<T extends object>(under: T, opened: { path: string; id: string } | undefined): T {
    return new Proxy(under, {
      get: (target, key) => {
        const value: unknown = Reflect.get(target, key, target);
        if (typeof value !== "function") return value;
        return (...args: unknown[]) =>
          this.#call(target, String(key), value as () => unknown, args, opened);
      },
    });
  }

  #call(
    target: object,
    name: string,
    call: (...args: unknown[]) => unknown,
    args: unknown[],
    opened: { path: string; id: string } | undefined,
  ): unknown {
    const path = opened?.path ?? String(args[0]);
    if (opened !== undefined && (name === "close" || name === "release")) {
      this.open.delete(opened.id);
      return call.apply(target, args);
    }
    this.calls.push(`${name} ${path}`);
    const fails = this.#left <= 0 && -this.#left < this.#times;
    this.#left--;
    if (fails) {
      if (name === "watch") return undefined;
      const error = new FileSystemError(this.#code, name, path);
      if (LATER.has(name)) return Promise.reject(error);
      throw error;
    }
    const result: unknown = call.apply(target, args);
    if (name === "watch") return this.#watching(result as (() => void) | undefined, path);
    if (!OPENING.has(name) || opened !== undefined) return result;
    const id = `${this.calls.length} ${name} ${path}`;
    const keep = (made: object): object => {
      this.open.add(id);
      return this.#around(made, { path, id });
    };
    return result instanceof Promise ? result.then(keep) : keep(result as object);
  }

  #watching(stop: (() => void) | undefined, path: string): (() => void) | undefined {
    if (stop === undefined) return undefined;
    const id = `${this.calls.length} watch ${path}`;
    this.open.add(id);
    return () => {
      this.open.delete(id);
      stop();
    };
  }
}
