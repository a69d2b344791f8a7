import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['tests/**/*.test.ts', 'pictures/**/*.test.ts'],
    globalSetup: 'harness/build.ts',
    // One file after the other in one worker: they share a demo and a Chromium, and nobody disturbs what is timed.
    fileParallelism: false,
    isolate: false,
    testTimeout: 30_000,
    hookTimeout: 60_000,
    expect: { poll: { timeout: 10_000, interval: 20 } },
  },
})
