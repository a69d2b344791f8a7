// Who is told what: each listener the events of its topics, once, and none of
// them suffers from another that throws.

import type { RowcastEvent } from './protocol.js'
import type { Settings } from './settings.js'
import type { Listener, Resync } from './types.js'

/** A replay may repeat events: so many are remembered at least (docs/protocol.md). */
const REMEMBERED = 4096

type Topics = ReadonlySet<string>

interface Entry {
  topics: Topics
  listener: Listener
}

/** What was said, and who knows it: one listener may have several entries, and may come back with other topics. */
interface Told {
  at: number
  isMeant(topic: string): boolean
  words: ((listener: Listener) => void)[]
  to: Set<Listener>
}

export interface Listeners {
  /**
   * Adds a listener. Other listeners may have made its topics live long ago: then no join looks back for it, and it gets
   * here what came shortly before it. Returns what removes it, once.
   */
  add(topics: Topics, listener: Listener, isJoined: (topic: string) => boolean): () => boolean
  event(event: RowcastEvent, data: string): void
  resync(resync: Resync, isMeant: (topic: string) => boolean): void
  joined(names: Topics): void
}

export function createListeners({ now, lookbackMs }: Settings, isOwn: (event: RowcastEvent) => boolean): Listeners {
  const entries = new Set<Entry>()
  const seen = memory(REMEMBERED)
  const recent: Told[] = [] // of the last `lookbackMs` before the newest

  function tell(entry: Entry, { isMeant, words, to }: Told) {
    const { topics, listener } = entry
    if (to.has(listener) || ![...topics].some(isMeant)) return
    for (const word of words) {
      call(entry, () => {
        to.add(listener)
        word(listener)
      })
    }
  }

  function tellAll(isMeant: Told['isMeant'], ...words: Told['words']) {
    const at = now()
    const told: Told = { at, isMeant, words, to: new Set() }
    recent.push(told)
    while (recent[0] && recent[0].at < at - lookbackMs) recent.shift()
    for (const entry of [...entries]) tell(entry, told)
  }

  /** Any callback may end any listener. */
  function call(entry: Entry, callback: () => void) {
    if (entries.has(entry)) guard(callback)
  }

  return {
    add(topics, listener, isJoined) {
      const entry = { topics, listener }
      entries.add(entry)
      const since = now() - lookbackMs
      const past = recent.filter(told => told.at >= since)
      const live = [...topics].filter(isJoined)
      queueMicrotask(() => {
        if (live.length) call(entry, () => listener.onJoined?.(live))
        for (const told of past) tell(entry, told)
      })
      return () => entries.delete(entry)
    },
    event(event, data) {
      const { id } = event
      if (id !== undefined) {
        if (seen.has(id)) return
        seen.add(id)
      }
      tellAll(
        topic => event.topics.includes(topic),
        listener => listener.onMessage?.({ data, event }),
        listener => listener.onEvent?.(event, { own: isOwn(event) }),
      )
    },
    resync(resync, isMeant) {
      tellAll(isMeant, listener => listener.onResync?.(resync))
    },
    joined(names) {
      for (const entry of [...entries]) {
        const mine = [...entry.topics].filter(name => names.has(name))
        if (mine.length) call(entry, () => entry.listener.onJoined?.(mine))
      }
    },
  }
}

/** Calls back. What it throws is reported like any uncaught error, and goes no further. */
export function guard(callback: () => void) {
  try {
    callback()
  } catch (error) {
    queueMicrotask(() => {
      throw error
    })
  }
}

/** Knows of what was added the last `limit` values, and at most twice as many. */
export function memory(limit: number) {
  let young = new Set<string>()
  let old = young
  return {
    has: (value: string) => young.has(value) || old.has(value),
    add(value: string) {
      if (young.size >= limit) {
        old = young
        young = new Set()
      }
      young.add(value)
    },
  }
}
