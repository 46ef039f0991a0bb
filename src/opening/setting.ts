/**
 * What the parts of one open have in common: the log's files, its directory and its options.
 *
 * @module
 */
import { Guards } from "../files/guards.ts";
import { MetaFile } from "../files/meta.ts";
import { metaPath } from "../files/names.ts";
import { RedoFile } from "../files/redo.ts";
import type { SegmentContext } from "../files/segment_files.ts";
import { type FrameChecksum, frameChecksum } from "../format/checksum.ts";
import { LOG_ID_SIZE } from "../format/log_id.ts";
import type { FileHandle, FileSystem } from "../fs/file_system.ts";
import { LogDirectory } from "../fs/log_directory.ts";
import { directoryOf } from "../fs/path.ts";
import type { ResolvedOptions } from "../options.ts";
import type { SegmentSource } from "../segment/source.ts";
import type { SegmentCounters } from "../segment/settings.ts";

/** One open of one log. */
export class Setting {
  readonly fileSystem: FileSystem;
  /** The log's path. */
  readonly path: string;
  readonly options: ResolvedOptions;
  readonly checksum: FrameChecksum = frameChecksum;
  /** The directory of the log's files, held open once it is there. */
  readonly directory: LogDirectory;
  /** Keeps other writers off the log's files, once this is to write. */
  readonly guards: Guards;
  readonly redo: RedoFile;
  readonly counters: SegmentCounters = { writes: 0, syncs: 0, rollWaits: 0 };

  constructor(fileSystem: FileSystem, path: string, options: ResolvedOptions) {
    this.fileSystem = fileSystem;
    this.path = path;
    this.options = options;
    this.directory = new LogDirectory(fileSystem, directoryOf(path));
    this.guards = new Guards(fileSystem);
    this.redo = new RedoFile(fileSystem, this.directory, path, options.mode, this.checksum);
  }

  /** The path of the meta file. */
  get metaPath(): string {
    return metaPath(this.path);
  }

  /** The meta file, not read yet. */
  meta(): MetaFile {
    const { mode } = this.options;
    return new MetaFile(this.fileSystem, this.directory, this.metaPath, mode, this.checksum);
  }

  /** A segment's open file, to be scanned. */
  source(file: FileHandle, path: string): SegmentSource {
    return { file, path, checksum: this.checksum, maxEntrySize: this.options.maxEntrySize };
  }

  /** What all segments of the log have in common. Without an id, the log gets one. */
  context(logId: Uint8Array = randomLogId()): SegmentContext {
    const { maxEntrySize, segmentSize, format, preallocate, mode, memoryMap } = this.options;
    return {
      fileSystem: this.fileSystem,
      directory: this.directory,
      path: this.path,
      checksum: this.checksum,
      maxEntrySize,
      mapsReads: memoryMap !== "off",
      mapsAppends: memoryMap === "on",
      segmentSize,
      format,
      permissions: mode,
      logId,
      counters: this.counters,
      preallocate,
      redo: this.redo,
      guards: this.guards,
    };
  }
}

function randomLogId(): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(LOG_ID_SIZE));
}
