// Who is told what: each listener the events of its topics, once, and none of
// them suffers from another that throws.

import { matches, type RowcastEvent } from './protocol.js'
import type { Settings } from './settings.js'
import type { Listener, Message, Resync } from './types.js'

/** A replay may repeat events: so many are remembered (docs/protocol.md asks for 4096). */
const REMEMBERED = 8192

interface Entry {
  topics: ReadonlySet<string>
  listener: Listener
}

/** A message, and who knows it: one listener may have several entries, and may come back with other topics. */
interface Told {
  at: number
  message: Message
  to: WeakSet<Listener>
}

export interface Listeners {
  readonly size: number
  /**
   * Adds a listener. Other listeners may have made its topics live long ago: then no join looks back for it, and it gets
   * here what came shortly before it.
   */
  add(topics: ReadonlySet<string>, listener: Listener, isJoined: (topic: string) => boolean): () => void
  event(event: RowcastEvent, data: string): void
  resync(resync: Resync): void
  joined(names: string[]): void
  /** Calls back. What it throws is reported and goes no further. */
  guard(callback: () => void): void
}

export function createListeners(settings: Settings, isOwn: (event: RowcastEvent) => boolean): Listeners {
  const { now, lookbackMs, development, warn } = settings
  const entries = new Set<Entry>()
  const seen = new Set<string>()
  let recent: Told[] = []

  function guard(callback: () => void) {
    try {
      callback()
    } catch (error) {
      if (development) warn('a listener threw', error)
      else
        queueMicrotask(() => {
          throw error
        })
    }
  }

  function tell(entry: Entry, { message, to }: Told) {
    const { topics, listener } = entry
    const { event } = message
    if (!entries.has(entry) || to.has(listener) || !event.topics.some(topic => topics.has(topic))) return
    to.add(listener)
    guard(() => listener.onMessage?.(message))
    guard(() => listener.onEvent?.(event, { own: isOwn(event) }))
  }

  /** Up to half of what is remembered is too old, so that the forgetting costs nothing. */
  function remember(told: Told) {
    recent.push(told)
    if (recent[0] && recent[0].at < told.at - 2 * lookbackMs) recent = recent.filter(r => r.at >= told.at - lookbackMs)
  }

  return {
    get size() {
      return entries.size
    },
    add(topics, listener, isJoined) {
      const entry = { topics, listener }
      entries.add(entry)
      const since = now() - lookbackMs
      const past = lookbackMs ? recent.filter(r => r.at >= since) : []
      const live = [...topics].filter(isJoined)
      queueMicrotask(() => {
        if (live.length && entries.has(entry)) guard(() => listener.onJoined?.(live))
        for (const told of past) tell(entry, told)
      })
      return () => {
        entries.delete(entry)
      }
    },
    event(event, data) {
      const { id } = event
      if (id !== undefined) {
        if (seen.has(id)) return
        keep(seen, id, REMEMBERED)
      }
      const told: Told = { at: now(), message: { data, event }, to: new WeakSet() }
      remember(told)
      for (const entry of [...entries]) tell(entry, told)
    },
    resync(resync) {
      for (const { topics, listener } of [...entries]) {
        if ([...topics].some(topic => resync.topics.some(pattern => matches(pattern, topic)))) {
          guard(() => listener.onResync?.(resync))
        }
      }
    },
    joined(names) {
      for (const { topics, listener } of [...entries]) {
        const mine = names.filter(name => topics.has(name))
        if (mine.length) guard(() => listener.onJoined?.(mine))
      }
    },
    guard,
  }
}

/** Adds to a set that forgets its oldest. */
export function keep(set: Set<string>, value: string, limit: number) {
  set.add(value)
  const [oldest] = set
  if (set.size > limit && oldest !== undefined) set.delete(oldest)
}
