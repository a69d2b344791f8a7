import type { BackoffOptions, ClientOptions } from './types.js'

/** The options, with what they are when nobody gave them. */
export interface Settings extends ClientOptions {
  url: NonNullable<ClientOptions['url']>
  lookbackMs: number
  lingerMs: number
  backoff: Required<BackoffOptions>
  warn(message: string, detail?: unknown): void
  random(): number
  now(): number
}

declare const process: { env: { NODE_ENV?: string } }

/** Bundlers put a text where `process.env.NODE_ENV` stands; without one a browser has no `process`. */
export function inDevelopment(): boolean {
  try {
    return process.env.NODE_ENV !== 'production'
  } catch {
    return false
  }
}

/**
 * Measures how long something took: what is missed for too short a time is lost. Of the browser's two clocks one may
 * be set back and the other stops while the computer sleeps, so this one goes on with whichever goes on.
 */
function clock(): () => number {
  let offset = 0
  return () => {
    const ticks = performance.now()
    offset = Math.max(offset, Date.now() - ticks)
    return Math.round(ticks + offset)
  }
}

/** An option that is undefined is one that was not given. */
function given<T extends object>(options = {} as T): Partial<T> {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as Partial<T>
}

export function settings(options: ClientOptions): Settings {
  return {
    url: '/ws',
    lookbackMs: 2000,
    lingerMs: 250,
    warn: (message, detail = '') => inDevelopment() && console.warn(`rowcast: ${message}`, detail),
    random: Math.random,
    now: clock(),
    ...given(options),
    backoff: {
      baseMs: 1000,
      factor: 2,
      maxMs: 16_000,
      attempts: 5,
      jitter: 0.25,
      probeMs: [30_000, 60_000],
      stableMs: 5000,
      ...given(options.backoff),
    },
  }
}

/** The wait before attempt number `n`, counted from 0. */
export function backoff({ backoff: b, random }: Settings, n: number): number {
  return Math.min(b.maxMs, b.baseMs * b.factor ** n) * (1 + b.jitter * random())
}
