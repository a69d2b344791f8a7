/**
 * Milliseconds since the epoch, with fractions as long as the fine clock agrees
 * with the machine's: after a sleep it may not.
 */
export function now(): number {
  const fine = performance.timeOrigin + performance.now()
  const coarse = Date.now()
  return Math.abs(fine - coarse) < 2 ? fine : coarse
}

/** Postgres says microseconds, Date.parse drops them. */
export function epochMs(at: string): number {
  const micros = /\.\d{3}(\d{1,3})/.exec(at)?.[1]
  return Date.parse(at) + (micros ? Number(`0.${micros}`) : 0)
}
