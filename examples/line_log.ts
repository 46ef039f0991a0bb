/**
 * Lines from standard input into a log, by streams: at most 64 KiB of them are ever not durable, and
 * they share the syncs. With `--follow` it prints what another process appends to the log.
 *
 * Usage: some-server | node examples/line_log.ts server.wal
 *        node examples/line_log.ts server.wal --follow
 *
 * @module
 */
import process from "node:process";
import { Readable } from "node:stream";
import { Wal } from "@durable/wal";
import { readable, writable } from "@durable/wal/streams";

const [, , path = "lines.wal", option] = process.argv;

/** Cuts text into its lines, 64 in a chunk at the most. */
class Lines extends TransformStream<Uint8Array, Uint8Array[]> {
  constructor() {
    const text = new TextDecoder();
    const bytes = new TextEncoder();
    let rest = "";
    super({
      transform(chunk, controller): void {
        const lines = (rest + text.decode(chunk, { stream: true })).split("\n");
        rest = lines.pop() ?? "";
        for (let at = 0; at < lines.length; at += 64) {
          controller.enqueue(lines.slice(at, at + 64).map((line) => bytes.encode(line)));
        }
      },
      flush(controller): void {
        if (rest !== "") controller.enqueue([bytes.encode(rest)]);
      },
    });
  }
}

if (option === "--follow") {
  const log = await Wal.open(path, { readOnly: true });
  const text = new TextDecoder();
  for await (const { index, data } of readable(log, { follow: true })) {
    console.log(`${index}: ${text.decode(data)}`);
  }
} else {
  await using log = await Wal.open(path);
  const input = Readable.toWeb(process.stdin) as ReadableStream<Uint8Array>;
  const before = log.lastIndex;
  await input.pipeThrough(new Lines()).pipeTo(writable(log, { ahead: 64 * 1024 }));
  console.log(`${log.lastIndex - before} lines are durable`);
}
