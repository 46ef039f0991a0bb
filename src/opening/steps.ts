/**
 * Does the steps of a plan. Each can be done again, and leaves files that the next open can plan for,
 * wherever in it a crash comes: so a crash between two steps is harmless.
 *
 * What a step has changed is durable when the next one begins, or is made so by a later one that
 * does not count on it.
 *
 * @module
 */
import { outcomeUnknown } from "../errors.ts";
import type { MetaFile } from "../files/meta.ts";
import { setAside } from "../files/quarantine.ts";
import { beginSegment, createSegment, type SegmentContext } from "../files/segment_files.ts";
import { Segments } from "../files/segments.ts";
import { NO_SEGMENT } from "../format/segment_frame.ts";
import { type FileHandle, FileSystemError } from "../fs/file_system.ts";
import { copyStretch, pieces } from "../fs/stretch.ts";
import { isUnfinished, scanSegment } from "../segment/scan.ts";
import type { SegmentSource } from "../segment/source.ts";
import { Segment } from "../segment/segment.ts";
import type { WritableSource } from "../segment/writable_source.ts";
import type { SegmentLook } from "./findings.ts";
import type { OpenPlan, Step } from "./plan.ts";
import type { Setting } from "./setting.ts";

type StepOf<K extends Step["kind"]> = Extract<Step, { readonly kind: K }>;

/** Does the steps about a redo file. */
export async function finishReplacement(
  setting: Setting,
  steps: readonly Step[],
): Promise<void> {
  for (const step of steps) {
    switch (step.kind) {
      case "finish replacement":
        await replaceTail(setting, step);
        break;
      case "finish meta replacement":
        await setting.meta().restore(setting.redo, step);
        break;
      case "remove redo file":
        await setting.redo.end();
        break;
      default:
        throw new TypeError(`"${step.kind}" is no step about a redo file`);
    }
  }
}

async function replaceTail(
  { fileSystem, directory, redo }: Setting,
  { path, offset, length, removes }: StepOf<"finish replacement">,
): Promise<void> {
  const file = fileSystem.open(path, "write");
  try {
    // A truncation drops the segments after it first, newest first.
    // The process that removed one may have died before that was durable.
    await directory.sync();
    for (const segment of removes) {
      directory.remove(segment);
      await directory.sync();
    }
    redo.resume({ length });
    await redo.finish({ file, offset }, length);
  } catch (cause) {
    throw outcomeUnknown(path, 0, "the truncation that was interrupted", cause);
  } finally {
    file.close();
  }
}

/** Does the steps of an open's plan, and so makes the log's segments ready to be written. */
export class Steps {
  readonly #setting: Setting;
  readonly #plan: OpenPlan;
  readonly #meta: MetaFile;
  readonly #look: SegmentLook<WritableSource>;
  readonly #context: SegmentContext;
  /** Where the bytes of each file were set aside. */
  readonly #copies = new Map<string, string>();
  /** The segment before the last, if it lacks its Seal. */
  #unsealed: Segment | undefined;
  #segments: Segments | undefined;

  constructor(
    setting: Setting,
    plan: OpenPlan,
    meta: MetaFile,
    look: SegmentLook<WritableSource>,
  ) {
    this.#setting = setting;
    this.#plan = plan;
    this.#meta = meta;
    this.#look = look;
    this.#context = setting.context(plan.logId);
  }

  /**
   * Does them all, in order.
   *
   * @returns The segments. If a step fails, no file of theirs is left open.
   */
  async run(): Promise<Segments> {
    try {
      for (const step of this.#plan.steps) await this.#run(step);
      return this.#ready();
    } catch (error) {
      this.#segments?.close();
      throw error;
    }
  }

  /** Where the bytes were set aside that a step cut off from a file; `undefined` if none were. */
  copyOf(path: string): string | undefined {
    return this.#copies.get(path);
  }

  /** All files that bytes were set aside in, in the order of the steps. */
  get copies(): string[] {
    return [...this.#copies.values()];
  }

  async #run(step: Step): Promise<void> {
    switch (step.kind) {
      case "make log":
        return await this.#makeLog();
      case "set aside":
        return await this.#setAside(step);
      case "remove":
        return await this.#remove(step);
      case "begin again":
        return await this.#beginAgain(step);
      case "secure end":
        return await this.#secureEnd(step);
      case "secure full segment":
        return await this.#secureFull(step);
      case "secure meta":
        return await this.#meta.secure(this.#setting.redo);
      case "sync directory":
        return await this.#setting.directory.sync();
      case "begin next":
        return this.#ready().beginNext(step.previous);
      case "roll":
        return this.#ready().rollDurably();
      case "drop":
        return await this.#ready().dropBefore(step.headIndex);
      case "begin at head":
        return await this.#ready().moveTo(step.firstIndex);
      default:
        throw new TypeError(`"${step.kind}" is no step about segments`);
    }
  }

  #ready(): Segments {
    if (this.#segments === undefined) throw new TypeError("The last segment is not ready");
    return this.#segments;
  }

  async #makeLog(): Promise<void> {
    const active = createSegment(this.#context, 1, NO_SEGMENT);
    this.#segments = new Segments(this.#context, [], active);
    await this.#setting.guards.take(active.path);
  }

  async #setAside({ path, segment, from, to }: StepOf<"set aside">): Promise<void> {
    const { directory, options, path: logPath } = this.#setting;
    const { file } = this.#look.fileOf(path).source;
    const stretch = { file, logPath, segment, from, to, permissions: options.mode };
    this.#copies.set(path, await setAside(directory, stretch));
  }

  async #remove({ path, why }: StepOf<"remove">): Promise<void> {
    const { directory } = this.#setting;
    if (why === "below the head") return directory.remove(path);
    closeBoth(this.#look.fileOf(path).source);
    directory.remove(path);
    await directory.sync();
  }

  async #beginAgain({ path, firstIndex, version }: StepOf<"begin again">): Promise<void> {
    const { source } = this.#look.fileOf(path);
    const { logId } = this.#context;
    source.file.truncate(0);
    beginSegment(source, { version, logId, firstIndex, previous: NO_SEGMENT });
    await syncSegment(source);
    const scan = scanSegment(source);
    if (isUnfinished(scan)) throw new FileSystemError("EIO", "Read back", path);
    const active = new Segment(source, scan, 0, this.#context);
    this.#segments = new Segments(this.#context, this.#plan.sealed, active);
  }

  /**
   * Cuts the file to its end, and makes durable what no Durable frame covers. After a sync that
   * failed, the page cache may hold it as clean, though the disk never had it: a further sync would
   * succeed and do nothing ("Can Applications Recover from fsync Failures?", A. Rebello and others,
   * USENIX ATC 2020). So it is written again. ext4 keeps losing what is written to blocks that it
   * could not write at first, until they are given up. So the file is cut first, and a redo file
   * has the bytes meanwhile.
   */
  async #secureEnd(step: StepOf<"secure end">): Promise<void> {
    const { path } = step;
    const { source, scan } = this.#look.fileOf(path);
    if (scan === undefined) throw new TypeError(`"${path}" was not scanned`);
    try {
      await this.#writeAgain(source.file, step);
    } catch (cause) {
      throw outcomeUnknown(path, 0, "what the log holds", cause);
    }
    await syncSegment(source);
    const active = new Segment(source, scan, scan.offsets.count, this.#context);
    this.#segments = new Segments(this.#context, this.#plan.sealed, active);
    if (this.#unsealed !== undefined) this.#segments.holdUnsealed(this.#unsealed);
  }

  /** The same for the segment before the last. If it lacks its Seal, the open log writes that. */
  async #secureFull(step: StepOf<"secure full segment">): Promise<void> {
    const { path } = step;
    const { source, scan } = this.#look.fileOf(path);
    try {
      await this.#writeAgain(source.file, step);
    } catch (cause) {
      throw outcomeUnknown(path, 0, "what the log holds", cause);
    }
    await syncSegment(source);
    if (!step.lacksSeal || scan === undefined) return closeBoth(source);
    this.#unsealed = new Segment(source, scan, scan.offsets.count, this.#context);
    this.#unsealed.endUnsealed();
  }

  async #writeAgain(
    file: FileHandle,
    { way, firstIndex, from, end, size }: StepOf<"secure end" | "secure full segment">,
  ): Promise<void> {
    if (way === "from memory") {
      // No entry is in it: if a crash takes it, nothing is lost.
      const tail = new Uint8Array(end - from);
      file.read(tail, from);
      if (from < size) file.truncate(from);
      if (tail.length > 0) file.write(tail, from);
      return;
    }
    const { redo } = this.#setting;
    const target = { file, firstIndex, offset: from };
    const isBegun = way === "with a redo file" &&
      await redo.tryBegin(target, pieces(file, from, end), end - from);
    if (isBegun) {
      await redo.finish(target, end - from);
      return await redo.end();
    }
    // Without space for a redo file, the next best is to write the bytes over themselves.
    if (end < size) file.truncate(end);
    copyStretch(file, from, end, file, from);
  }
}

/** Makes a segment's file durable. */
export async function syncSegment({ file, path }: SegmentSource): Promise<void> {
  try {
    await file.sync();
  } catch (cause) {
    throw outcomeUnknown(path, 0, "what the log holds", cause);
  }
}

/** Closes both descriptors of a segment's file. */
export function closeBoth({ file, second }: Pick<WritableSource, "file" | "second">): void {
  file.close();
  second.close();
}
