/**
 * What was checked: a line for each as it comes, and a table of all at the end.
 *
 * @module
 */
import { firstMissing, type Need } from "./needs.ts";

interface Row {
  readonly outcome: "ok" | "FAILED" | "NOT RUN";
  readonly title: string;
  readonly detail: string;
  readonly seconds: number;
}

/** The checks of a run. */
export class Report {
  readonly #rows: Row[] = [];

  /** How many checks failed. */
  get failed(): number {
    return this.#count("FAILED");
  }

  /** How many checks could not be made. */
  get notRun(): number {
    return this.#count("NOT RUN");
  }

  /**
   * Makes a check, where what it needs is there.
   *
   * @param body Returns what was found, in a few words and figures; throws if it is not as promised.
   */
  async check(title: string, needs: readonly Need[], body: () => Promise<string>): Promise<void> {
    const start = Date.now();
    const missing = firstMissing(needs);
    if (missing !== undefined) {
      this.#rows.push({ outcome: "NOT RUN", title, detail: missing, seconds: 0 });
      console.log(`NOT RUN ${title}: ${missing}`);
      return;
    }
    let outcome: Row["outcome"] = "ok";
    let detail: string;
    try {
      detail = await body();
    } catch (error) {
      outcome = "FAILED";
      detail = error instanceof Error ? error.message : String(error);
    }
    const seconds = (Date.now() - start) / 1000;
    this.#rows.push({ outcome, title, detail, seconds });
    console.log(`${outcome} ${title}: ${detail} (${seconds.toFixed(1)} s)`);
  }

  /** Prints the table and the closing line. */
  print(): void {
    const width = Math.max(...this.#rows.map(({ title }) => title.length));
    console.log("");
    for (const { outcome, title, detail, seconds } of this.#rows) {
      const time = `${seconds.toFixed(1)} s`.padStart(7);
      console.log(`${outcome.padEnd(7)}  ${title.padEnd(width)}  ${time}  ${detail}`);
    }
    const notRun = this.notRun > 0 ? `, ${this.notRun} not run` : "";
    console.log(`\n${this.#count("ok")} passed, ${this.failed} failed${notRun}`);
  }

  #count(outcome: Row["outcome"]): number {
    return this.#rows.filter((row) => row.outcome === outcome).length;
  }
}
