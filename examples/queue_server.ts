/**
 * A server on Bun that takes mail over HTTP and sends it later, through any crash. POST / answers once the
 * mail would survive a power cut; a request with an Idempotency-Key that comes again is taken once.
 * "Sending" appends a line to a file here. GET / tells how many wait, and which were given up.
 *
 * Usage: bun examples/queue_server.ts [--queue PATH] [--sent PATH] [--port PORT]
 *
 * @module
 */
import { appendFileSync } from "node:fs";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { json, Queue } from "@durable/wal/queue";

/** The part of Bun that is used, for type checkers without Bun's types. */
declare const Bun: {
  serve(options: {
    hostname: string;
    port: string;
    fetch(request: Request): Promise<Response>;
  }): { readonly url: URL; stop(): Promise<void> };
};

interface Mail {
  readonly to: string;
  readonly text: string;
}

function isMail(value: unknown): value is Mail {
  const { to, text } = (value ?? {}) as Partial<Mail>;
  return typeof to === "string" && typeof text === "string";
}

async function answer(request: Request): Promise<Response> {
  if (request.method === "GET") {
    const dead = Array.from(sender.dead(), ({ value, reason }) => ({ ...value, reason }));
    return Response.json({ waiting: sender.lag, dead });
  }
  const mail: unknown = await request.json().catch(() => undefined);
  if (!isMail(mail)) return new Response("not a mail", { status: 400 });
  const key = request.headers.get("idempotency-key");
  const index = await queue.enqueue([mail], key ? { key } : {});
  return Response.json({ index }, { status: 202 });
}

/** What is sent twice has the same key twice, by which the receiver can tell. */
async function send({ to, text }: Mail, key: string, signal: AbortSignal): Promise<void> {
  if (!to.includes("@")) throw new Error(`no address: ${to}`);
  await sleep(20, undefined, { signal });
  appendFileSync(sent, `${JSON.stringify({ key, to, text })}\n`);
}

const options = {
  queue: { type: "string", default: "mail.wal" },
  sent: { type: "string", default: "sent.txt" },
  port: { type: "string", default: "8080" },
} as const;
const { queue: path, sent, port } = parseArgs({ options }).values;
const queue = await Queue.open<Mail>(path, { codec: json(), maxBytes: 64 * 1024 * 1024 });
const sender = queue.consumer("sender", { concurrency: 4, attempts: 2, backoff: 100 });
const sending = sender.run((job, { signal }) => send(job.value, job.key, signal));
const server = Bun.serve({ hostname: "localhost", port, fetch: answer });
console.log(server.url.href);
for (const signal of ["SIGINT", "SIGTERM"]) {
  process.on(signal, async () => {
    await server.stop(); // when the requests that run are answered
    await queue.close(); // when the mails that are being sent are sent
    await sending;
  });
}
