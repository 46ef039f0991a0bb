/**
 * What is measured, side by side and in turns.
 *
 * @module
 */
import { type Edition, runtimeOf } from "../../kit/runtime.ts";

/** A subject of the worker, or a peer in Go. */
export interface Subject {
  /** Its name for the worker, or for the program in Go. */
  readonly name: string;
  readonly label: string;
  readonly kind: "durable" | "alone";
  /** Whose longest stall its own is compared with. */
  readonly floor?: string;
  readonly isGo?: boolean;
  /** Whether it is this project's log, whose rolls are what is measured. */
  readonly isOurs?: boolean;
}

const OWN: readonly Subject[] = [
  { name: "ours", label: "durable/wal", kind: "durable", floor: "bare", isOurs: true },
  { name: "bare", label: "bare calls", kind: "durable" },
  {
    name: "ours, blocking",
    label: "durable/wal, blocking",
    kind: "durable",
    floor: "bare, blocking",
    isOurs: true,
  },
  { name: "bare, blocking", label: "bare calls, blocking", kind: "durable" },
  { name: "ours, alone", label: "durable/wal", kind: "alone", floor: "bare, alone", isOurs: true },
  { name: "bare, alone", label: "bare calls", kind: "alone" },
];

const GO: readonly Subject[] = ["etcd wal", "raft-wal"].map((name) => ({
  name,
  label: `${name} (Go)`,
  kind: "durable",
  isGo: true,
}));

/** The subjects on a runtime; the peers in Go run beside each. */
export function subjectsOn(edition: Edition, withPeers: boolean, withGo: boolean): Subject[] {
  const sqlite = runtimeOf(edition) === "bun" ? "bun:sqlite" : "node:sqlite";
  const peers: readonly Subject[] = [{ name: sqlite, label: sqlite, kind: "durable" }];
  return [...OWN, ...(withPeers ? peers : []), ...(withPeers && withGo ? GO : [])];
}
