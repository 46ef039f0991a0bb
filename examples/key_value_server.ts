/**
 * A key-value server on Bun: GET, PUT and DELETE /KEY, with bytes as values. PUT and DELETE answer
 * once the change would survive a power cut. The log is the database; a Map is its latest state.
 *
 * Usage: bun examples/key_value_server.ts [--log PATH] [--port PORT]
 *
 * @module
 */
import { Buffer } from "node:buffer";
import process from "node:process";
import { parseArgs } from "node:util";
import { Wal, WalError } from "@durable/wal";

/** The part of Bun that is used, for type checkers without Bun's types. */
declare const Bun: {
  serve(options: {
    hostname: string;
    port: string;
    fetch(request: Request): Promise<Response>;
    error(error: unknown): Response;
  }): { readonly url: URL; stop(): Promise<void> };
};

/** An entry begins with one of these and the key's size in bytes, a uint32; key and value follow. */
const OPERATIONS = { DELETE: 0, PUT: 1 } as const;
const HEADER_SIZE = 5;

function encode(operation: keyof typeof OPERATIONS, key: string, value: Uint8Array): Uint8Array {
  const header = Buffer.alloc(HEADER_SIZE, OPERATIONS[operation]);
  header.writeUInt32BE(Buffer.byteLength(key), 1);
  return Buffer.concat([header, Buffer.from(key), value]);
}

function apply(entry: Uint8Array): void {
  const bytes = Buffer.from(entry);
  const valueStart = HEADER_SIZE + bytes.readUInt32BE(1);
  const key = bytes.toString("utf8", HEADER_SIZE, valueStart);
  if (bytes[0] === OPERATIONS.PUT) values.set(key, bytes.subarray(valueStart));
  else values.delete(key);
}

async function answer(request: Request): Promise<Response> {
  const key = decodeURIComponent(new URL(request.url).pathname.slice(1));
  const { method } = request;
  if (method !== "GET" && method !== "PUT" && method !== "DELETE") {
    return new Response(null, { status: 405, headers: { allow: "GET, PUT, DELETE" } });
  }
  const value = method === "PUT" ? await request.bytes() : values.get(key);
  if (key === "" || value === undefined) return new Response(null, { status: 404 });
  if (method === "GET") return new Response(value);
  const entry = encode(method, key, method === "PUT" ? value : Buffer.alloc(0));
  // These resolve in the order of the entries, so the Map takes the steps that a restart would.
  await log.appendAndSync(entry);
  apply(entry);
  return new Response(null, { status: 204 });
}

function refuse(error: unknown): Response {
  if (error instanceof URIError) return new Response(null, { status: 400 });
  if (error instanceof WalError && error.code === "ERR_WAL_ENTRY_TOO_LARGE") {
    return new Response(null, { status: 413 });
  }
  console.error(error);
  return new Response(null, { status: 503 });
}

const options = { log: { type: "string", default: "data.wal" }, port: { type: "string" } } as const;
const { log: path, port = "8080" } = parseArgs({ options }).values;
const log = await Wal.open(path);
const values = new Map<string, Uint8Array<ArrayBuffer>>();
for (const { data } of log.entries()) apply(data);
const server = Bun.serve({ hostname: "localhost", port, fetch: answer, error: refuse });
console.log(server.url.href);
for (const signal of ["SIGINT", "SIGTERM"]) {
  process.on(signal, async () => {
    await server.stop(); // when the requests that run are answered
    await log.close();
  });
}
