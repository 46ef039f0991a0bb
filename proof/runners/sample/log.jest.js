import { afterAll, beforeEach, expect, jest, test } from "@jest/globals";
import { defineTests } from "./cases.js";

defineTests({
  afterAll,
  beforeEach,
  expect,
  test,
  useFakeTimers: () => jest.useFakeTimers(),
  useRealTimers: () => jest.useRealTimers(),
  forgetModules: () => jest.resetModules(),
});
