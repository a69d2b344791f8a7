import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['tests/**/*.test.ts', 'pictures/**/*.test.ts'],
    globalSetup: 'harness/build.ts',
    // One file at a time: what is timed is timed on a machine that does nothing else.
    fileParallelism: false,
    testTimeout: 30_000,
    hookTimeout: 60_000,
    expect: { poll: { timeout: 10_000, interval: 20 } },
  },
})
