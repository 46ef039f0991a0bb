/**
 * What a durable queue is measured as: a bare log's durable batches, the queue on it, and tables of SQLite
 * as litequeue has them.
 *
 * @module
 */
import { Wal } from "../../mod.ts";
import { json, Queue } from "../../src/queue/queue.ts";
import { type Database, openDatabase, type Statement } from "../contestants/sqlite.ts";

/** A message. */
export interface Mail {
  readonly id: number;
  readonly to: string;
  readonly text: string;
}

/** A message of some 100 bytes in JSON. */
export function mailOf(id: number): Mail {
  return { id, to: `user${id % 1000}@example.com`, text: "x".repeat(50) };
}

/** A queue, or what is used as one. */
export interface Way {
  readonly name: string;
  /** Takes messages as one atom; durable at return. */
  enqueue(mails: readonly Mail[]): Promise<void>;
  /** Takes so many out and has them done; durable at return. The sum of their ids. */
  work(count: number): Promise<number>;
  close(): Promise<void>;
}

/** The names of the ways that a runtime has. */
export const WAYS: readonly string[] = [
  "log",
  "queue",
  "bun:sqlite",
  "better-sqlite3",
  "node:sqlite",
];

/** Opens a way's files. */
export async function openWay(name: string, path: string): Promise<Way> {
  if (name === "log") return await openLog(path);
  if (name === "queue") return await openQueue(path);
  return openSqlite(name, path);
}

/** The floor: the bytes of the messages as durable batches. Nothing is taken out. */
async function openLog(path: string): Promise<Way> {
  const log = await Wal.open(path);
  const encoder = new TextEncoder();
  return {
    name: "log",
    enqueue: async (mails) => {
      await log.appendBatchAndSync(mails.map((mail) => encoder.encode(JSON.stringify(mail))));
    },
    work: () => Promise.resolve(0),
    close: () => log.close(),
  };
}

async function openQueue(path: string): Promise<Way> {
  const queue = await Queue.open<Mail>(path, { codec: json() });
  const consumer = queue.consumer("worker");
  return {
    name: "queue",
    enqueue: async (mails) => void await queue.enqueue(mails),
    work: async (count) => {
      const jobs = consumer.reserve(count);
      const sum = jobs.reduce((all, { value }) => all + value.id, 0);
      await Promise.all(jobs.map((job) => job.ack()));
      return sum;
    },
    close: () => queue.close(),
  };
}

/** Ids that rise with time, as litequeue's do. */
let lastId = 0;
const idOf = (): string => `${Date.now().toString(16)}-${String(++lastId).padStart(12, "0")}`;

/** The table and the indexes of litequeue 0.9 and later, and the statements that its calls run. */
function openSqlite(binding: string, path: string): Way {
  const database: Database = openDatabase(binding, path);
  database.exec("PRAGMA journal_mode = WAL");
  database.exec("PRAGMA temp_store = MEMORY");
  database.exec("PRAGMA synchronous = FULL");
  database.exec(
    "CREATE TABLE IF NOT EXISTS Queue (data TEXT NOT NULL, message_id TEXT NOT NULL, " +
      "status INTEGER NOT NULL, in_time INTEGER NOT NULL, lock_time INTEGER, done_time INTEGER)",
  );
  database.exec("CREATE UNIQUE INDEX IF NOT EXISTS IdIndex ON Queue (message_id)");
  database.exec("CREATE INDEX IF NOT EXISTS StatusIndex ON Queue (status, message_id)");
  const prepare = (sql: string): Statement => database.prepare(sql);
  const [begin, commit] = [prepare("BEGIN IMMEDIATE"), prepare("COMMIT")];
  const put = prepare(
    "INSERT INTO Queue (data, message_id, status, in_time) VALUES (?, ?, 0, ?)",
  );
  const pop = prepare(
    "UPDATE Queue SET status = 1, lock_time = ? WHERE rowid = (SELECT rowid FROM Queue " +
      "WHERE status = 0 ORDER BY message_id LIMIT 1) RETURNING data, message_id",
  );
  const done = prepare("UPDATE Queue SET status = 2, done_time = ? WHERE message_id = ?");
  const within = (body: () => void): void => {
    begin.run();
    body();
    commit.run();
  };
  return {
    name: binding,
    enqueue: (mails) => {
      within(() => {
        for (const mail of mails) put.run(JSON.stringify(mail), idOf(), Date.now());
      });
      return Promise.resolve();
    },
    work: (count) => {
      const ids: string[] = [];
      let sum = 0;
      // That a message is out need not survive a power cut; that it is done must.
      database.exec("PRAGMA synchronous = NORMAL");
      within(() => {
        for (let i = 0; i < count; i++) {
          const row = pop.get(Date.now()) as
            | { data: string; message_id: string }
            | null
            | undefined;
          if (row === null || row === undefined) return;
          sum += (JSON.parse(row.data) as Mail).id;
          ids.push(row.message_id);
        }
      });
      database.exec("PRAGMA synchronous = FULL");
      within(() => {
        for (const id of ids) done.run(Date.now(), id);
      });
      return Promise.resolve(sum);
    },
    close: () => Promise.resolve(database.close()),
  };
}
