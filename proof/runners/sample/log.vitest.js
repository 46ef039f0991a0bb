import { afterAll, beforeEach, expect, test, vi } from "vitest";
import { defineTests } from "./cases.js";

const toFake = [
  "setTimeout",
  "setInterval",
  "setImmediate",
  "performance",
  "queueMicrotask",
  "Date",
];

defineTests({
  afterAll,
  beforeEach,
  expect,
  test,
  useFakeTimers: () => vi.useFakeTimers({ toFake }),
  useRealTimers: () => vi.useRealTimers(),
  forgetModules: () => vi.resetModules(),
});
