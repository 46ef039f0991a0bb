/**
 * Measures the subjects on a runtime: a process each, and a turn after the other, so that a disk or a
 * machine that changes its pace does so for all of them.
 *
 * @module
 */
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Edition } from "../../kit/runtime.ts";
import { FRAME_SIZE, requireWork } from "../costs/work.ts";
import { type Figures, figuresOf, medians } from "./figures.ts";
import { SubjectProcess } from "./process.ts";
import type { Subject } from "./subjects.ts";
import type { Turn } from "./turn.ts";

/** Bytes of a segment by default. */
const SEGMENT_SIZE = 64 * 2 ** 20;

/** What is measured where. */
export interface Setting {
  readonly edition: Edition;
  readonly folder: string;
  readonly subjects: readonly Subject[];
  readonly rolls: number;
  readonly rounds: number;
  readonly goProgram?: string;
  /** Bytes of a segment of ours, where it is not the default. */
  readonly segmentSize?: number;
  readonly stop: AbortSignal;
}

/** A subject's figures. */
export interface Row {
  readonly subject: Subject;
  readonly version: string;
  /** The median of each figure. */
  readonly figures: Figures;
  readonly rounds: readonly Figures[];
}

/** Measures all subjects in all rounds. */
export async function measure(setting: Setting): Promise<Row[]> {
  const rounds: Measured[][] = [];
  for (let round = 0; round < setting.rounds; round++) {
    const folder = join(setting.folder, `round-${round}`);
    mkdirSync(folder);
    rounds.push(compared(await measureRound(setting, folder)));
    rmSync(folder, { recursive: true });
  }
  return setting.subjects.map((subject, i) => {
    const own = rounds.flatMap((round) => round[i] ?? []);
    const figures = own.map((measured) => measured.figures);
    return { subject, version: own[0]?.version ?? "", figures: medians(figures), rounds: figures };
  });
}

interface Measured {
  readonly subject: Subject;
  readonly version: string;
  readonly figures: Figures;
}

/** A subject whose process runs. */
interface Running {
  readonly subject: Subject;
  readonly started: SubjectProcess;
  readonly version: string;
  readonly turns: Turn[];
  segmentsBefore: number;
}

async function measureRound(setting: Setting, folder: string): Promise<Measured[]> {
  const { edition, subjects, rolls, goProgram, segmentSize, stop } = setting;
  const running: Running[] = [];
  // As many entries as a segment of ours has, so that each turn of ours has a roll in its middle.
  const entries = Math.ceil((segmentSize ?? SEGMENT_SIZE) / FRAME_SIZE);
  try {
    for (const [i, subject] of subjects.entries()) {
      const own = { edition, subject, folder: join(folder, `${i}`), goProgram, segmentSize, stop };
      const { started, version } = await SubjectProcess.start(own);
      running.push({ subject, started, version, turns: [], segmentsBefore: NaN });
    }
    for (const each of running) {
      const { segments } = await each.started.turn(Math.ceil(entries / 2));
      each.segmentsBefore = segments ?? NaN;
    }
    for (let turn = 0; turn < rolls; turn++) {
      // The other way round in the next, so that none always has the same one before it.
      const order = turn % 2 === 0 ? running : running.toReversed();
      for (const { started, turns } of order) turns.push(await started.turn(entries));
    }
    const measured: Measured[] = [];
    for (const { subject, started, version, turns, segmentsBefore } of running) {
      const figures = figuresOf(turns, segmentsBefore, edition, await started.end());
      if (subject.isOurs) requireWork("Rolls", Math.min(figures.rolls, rolls), rolls);
      measured.push({ subject, version, figures });
    }
    return measured;
  } finally {
    for (const { started } of running) await started.kill();
  }
}

/** A round with the longest stalls compared with those of the bare calls of the same round. */
function compared(round: readonly Measured[]): Measured[] {
  return round.map((measured) => {
    const floor = round.find(({ subject }) => subject.name === measured.subject.floor);
    const aboveFloor = measured.figures.longestStall - (floor?.figures.longestStall ?? NaN);
    return { ...measured, figures: { ...measured.figures, aboveFloor } };
  });
}
