/**
 * A program for tests whose only work is a follower: of the log that its first argument names, as its
 * second says.
 *
 * @module
 */
import process from "node:process";
import { Wal } from "../../mod.ts";

const [path = "", how = ""] = process.argv.slice(2);
const log = await Wal.open(path, { readOnly: how.startsWith("reader") });
const entries = log.follow();
const [, what] = how.split(" ");
process.once("exit", () => console.log("ended"));
switch (what) {
  case "waits":
    console.log("waiting");
    for await (const { index } of entries) console.log(index);
    break;
  case "left":
    await entries.return();
    break;
  case "unused":
    break;
  default: {
    const waiting = entries.next();
    setTimeout(() => void entries.return(), 50);
    console.log((await waiting).done);
  }
}
