/**
 * One log for several threads of a process: one thread has it open, the others append to it and read
 * it by a `MessagePort`. Works with the ports of the web and of `node:worker_threads`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { Wal } from "@durable/wal";
 * import { MemoryFileSystem } from "@durable/wal/memory";
 * import { connect, serve } from "@durable/wal/threads";
 *
 * const { port1, port2 } = new MessageChannel(); // port2 goes to a worker
 * const log = await Wal.open("a.wal", { fileSystem: new MemoryFileSystem() });
 * const serving = serve(log, port1);
 *
 * // In the worker:
 * const remote = await connect(port2);
 * const index = await remote.appendAndSync(new Uint8Array([1, 2, 3]));
 * assertEquals(await remote.getEntry(index), new Uint8Array([1, 2, 3]));
 * await remote.close();
 *
 * await serving.close();
 * await log.close();
 * ```
 *
 * @module
 */
export { connect, type ConnectOptions, type RemoteWal } from "./client.ts";
export { serve, type Serving } from "./server.ts";
export type { ThreadPort } from "./port.ts";
