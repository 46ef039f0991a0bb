/**
 * A program for tests: opens a log of events, prints what it holds as lines of JSON, and appends the
 * texts that follow the path, each as an event.
 *
 * @module
 */
import process from "node:process";
import { EventLog, json } from "../../src/events/events.ts";

const [path = "", ...texts] = process.argv.slice(2);

const log = await EventLog.open<{ text: string; tags?: string[] }>(path, {
  codec: json(),
  version: 2,
  upcast: { 1: (event: { text: string }) => event },
});
for (const { index, version, time, value } of log.entries()) {
  console.log(JSON.stringify({ index, version, hasTime: time !== undefined, text: value.text }));
}
await Promise.all(texts.map((text) => log.append({ text })));
await log.close();
