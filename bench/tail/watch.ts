/**
 * Notes what was slow, with what may have been the cause: between two looks the log got another segment,
 * or the runtime's collector wrote to its own log. So no clocks have to agree.
 *
 * @module
 */
import { fstatSync } from "node:fs";
import { NOTED, type Slow } from "./turn.ts";

/** Looks at the log's segments and at the collector's log. */
export class Watch {
  /** What was slow. */
  readonly slow: Slow[] = [];
  readonly #countSegments: () => number;
  readonly #collectorLog: number;
  #segments = 0;
  #logged = 0;

  /** Looks for the first time. `collectorLog` is the descriptor of the file that the collector logs to. */
  constructor(countSegments: () => number, collectorLog: number) {
    this.#countSegments = countSegments;
    this.#collectorLog = collectorLog;
    this.look(0);
  }

  /** Looks; `ms` is how long something took since the look before. */
  look(ms: number): void {
    const segments = this.#countSegments();
    const logged = fstatSync(this.#collectorLog).size;
    if (ms >= NOTED) {
      this.slow.push({ ms, isAtRoll: segments > this.#segments, from: this.#logged, to: logged });
    }
    this.#segments = segments;
    this.#logged = logged;
  }
}
