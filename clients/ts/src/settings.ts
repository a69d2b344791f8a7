import type { BackoffOptions, ClientOptions } from './types.js'

/** The options, with what they are when nobody gave them. */
export interface Settings extends ClientOptions {
  url: NonNullable<ClientOptions['url']>
  lookbackMs: number
  lingerMs: number
  backoff: Required<BackoffOptions>
  warn(message: string, detail?: unknown): void
  development: boolean
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

export function settings(options: ClientOptions): Settings {
  const { development = inDevelopment(), backoff, ...rest } = options
  return {
    url: '/ws',
    lookbackMs: 2000,
    lingerMs: 250,
    warn: (message, detail = '') => development && console.warn(`rowcast: ${message}`, detail),
    random: Math.random,
    now: Date.now,
    ...rest,
    development,
    backoff: {
      baseMs: 1000,
      factor: 2,
      maxMs: 16_000,
      attempts: 5,
      jitter: 0.25,
      probeMs: [30_000, 60_000],
      stableMs: 5000,
      ...backoff,
    },
  }
}

/** The wait before attempt number `n`, counted from 0. */
export function backoff({ backoff: b, random }: Settings, n: number): number {
  return Math.min(b.maxMs, b.baseMs * b.factor ** n) * (1 + b.jitter * random())
}
