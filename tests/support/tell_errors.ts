/**
 * A program for tests: makes each call of the runtime's file system that its caller lets fail, and
 * tells what it threw.
 *
 * @module
 */
import process from "node:process";
import { FileSystemError } from "../../mod.ts";
import { pathIn } from "../../src/fs/path.ts";
import { defaultFileSystem } from "../../src/fs/runtime.ts";

const folder = process.argv[2] ?? "";
const fileSystem = await defaultFileSystem();
const path = pathIn(folder, "file");
const file = fileSystem.open(path, "create", 0o600);

const calls: readonly (() => unknown)[] = [
  () => file.truncate(1),
  () => file.syncData(),
  () => file.syncBlocking(),
  () => fileSystem.remove(path),
  () => fileSystem.makeDirectory(pathIn(folder, "directory"), 0o700),
  () => file.close(),
];
for (const call of calls) {
  try {
    await call();
    console.log("no error");
  } catch (error) {
    if (!(error instanceof FileSystemError)) throw error;
    console.log(error.message.replace(folder, "."));
  }
}
