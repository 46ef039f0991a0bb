/**
 * A program for tests: starts programs that end in several ways, as tests start programs.
 *
 * @module
 */
import { once } from "node:events";
import { spawn, spawnSync } from "../../kit/child.ts";

for (const last of ["kill -SEGV $$", "kill -KILL $$", "exit 139"]) {
  spawnSync("sh", ["-c", last], {});
  await once(spawn("sh", ["-c", last], { stdio: "ignore" }), "exit");
}

// This one dies of a signal that somebody sent.
const sleeping = spawn("sleep", ["60"], { stdio: "ignore" });
sleeping.kill("SIGSEGV");
await once(sleeping, "exit");
