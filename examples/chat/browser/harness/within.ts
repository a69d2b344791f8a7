import { expect } from 'vitest'

/** Fails unless what happens has happened after so many milliseconds. */
export async function within(ms: number, happens: () => Promise<unknown>): Promise<void> {
  const begun = performance.now()
  await happens()
  expect(performance.now() - begun).toBeLessThan(ms)
}
