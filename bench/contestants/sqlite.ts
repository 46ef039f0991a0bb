/**
 * SQLite as a log, by any of its three bindings: a table with an integer key, in WAL mode.
 *
 * @module
 */
import { type Contestant, type OpenOptions, type Store, touch } from "./contestant.ts";
import { load, versionOf } from "./packages.ts";

/** A statement, as far as the three bindings agree. */
export interface Statement {
  run(...values: unknown[]): unknown;
  get(...values: unknown[]): unknown;
  iterate(): Iterable<unknown>;
}

/** A connection, as far as the three bindings agree. */
export interface Database {
  exec(sql: string): unknown;
  prepare(sql: string): Statement;
  close(): void;
}

type DatabaseClass = new (path: string) => Database;

const BINDINGS: Readonly<Record<string, (name: string) => DatabaseClass>> = {
  "node:sqlite": (name) => (load(name) as { DatabaseSync: DatabaseClass }).DatabaseSync,
  "bun:sqlite": (name) => (load(name) as { Database: DatabaseClass }).Database,
  "better-sqlite3": (name) => load(name) as DatabaseClass,
};

/** Opens a database by a binding. */
export function openDatabase(binding: string, path: string): Database {
  const Database = BINDINGS[binding]?.(binding);
  if (Database === undefined) throw new Error(`There is no binding "${binding}".`);
  return new Database(path);
}

/** SQLite by a binding; with `isOpenEnded`, all appends are in one transaction that stays open. */
export function sqlite(binding: string, isOpenEnded = false): Contestant {
  const Database = BINDINGS[binding]?.(binding);
  if (Database === undefined) throw new Error(`There is no binding "${binding}".`);
  const name = binding.includes(":") ? binding : versionOf(binding);
  return {
    version: `${name} (SQLite ${libraryVersion(Database)})`,
    hasGroupCommit: false,
    open: (path, options) => new Sqlite(new Database(path), options, isOpenEnded),
  };
}

function libraryVersion(Database: DatabaseClass): string {
  const database = new Database(":memory:");
  const row = database.prepare("SELECT sqlite_version() AS version").get();
  database.close();
  return (row as { version: string }).version;
}

class Sqlite implements Store {
  readonly #database: Database;
  readonly #insert: Statement;
  readonly #begin: Statement;
  readonly #commit: Statement;
  readonly #isOpenEnded: boolean;

  constructor(database: Database, { isDurable }: OpenOptions, isOpenEnded: boolean) {
    this.#database = database;
    this.#isOpenEnded = isOpenEnded;
    database.exec("PRAGMA journal_mode = WAL");
    // NORMAL is what SQLite advises for WAL mode where a commit need not survive a power cut.
    database.exec(`PRAGMA synchronous = ${isDurable ? "FULL" : "NORMAL"}`);
    database.exec("CREATE TABLE IF NOT EXISTS log (id INTEGER PRIMARY KEY, data BLOB NOT NULL)");
    this.#insert = database.prepare("INSERT INTO log (data) VALUES (?)");
    this.#begin = database.prepare("BEGIN IMMEDIATE");
    this.#commit = database.prepare("COMMIT");
    if (isOpenEnded) this.#begin.run();
  }

  append(entry: Uint8Array, count: number): void {
    for (let i = 0; i < count; i++) this.#insert.run(entry);
  }

  appendBatch(entries: readonly Uint8Array[]): void {
    this.#begin.run();
    for (const entry of entries) this.#insert.run(entry);
    this.#commit.run();
  }

  appendBatchAndSync(entries: readonly Uint8Array[]): void {
    this.appendBatch(entries);
  }

  appendAndSync(entry: Uint8Array): void {
    this.#insert.run(entry);
  }

  get(indexes: Uint32Array): number {
    const select = this.#database.prepare("SELECT data FROM log WHERE id = ?");
    let sum = 0;
    for (const index of indexes) sum += touch((select.get(index) as { data: Uint8Array }).data);
    return sum;
  }

  replay(): number {
    const select = this.#database.prepare("SELECT data FROM log ORDER BY id");
    let sum = 0;
    for (const row of select.iterate()) sum += touch((row as { data: Uint8Array }).data);
    return sum;
  }

  lastIndex(): number {
    const row = this.#database.prepare("SELECT max(id) AS last FROM log").get();
    return (row as { last: number | null }).last ?? 0;
  }

  close(): void {
    if (this.#isOpenEnded) this.#commit.run();
    this.#database.close();
  }
}
