/**
 * Reads snapshot files in a runtime that has no zstd, and writes one.
 *
 * ```sh
 * node tests/support/without_zstd.ts FOLDER
 * ```
 *
 * @module
 */
import { join } from "node:path";
import process from "node:process";

const { getBuiltinModule } = process;
process.getBuiltinModule =
  ((name: string) =>
    name === "node:zlib" ? undefined : getBuiltinModule(name)) as typeof getBuiltinModule;

const { SnapshotFile } = await import("../../src/snapshot/snapshot.ts");
const folder = process.argv[2] ?? ".";

async function read(name: string): Promise<void> {
  try {
    const file = await SnapshotFile.open(join(folder, name));
    let size = 0;
    for (const piece of file.pieces()) size += piece.length;
    file.close();
    console.log(name, size);
  } catch (error) {
    console.log(name, (error as { code: string }).code);
  }
}

await read("packed");
await read("plain");
const writer = await SnapshotFile.create(join(folder, "own"), { logId: "0102030405060708" });
await writer.write(new Uint8Array(70_000));
await writer.finish({ index: 1, version: 1 });
await read("own");
