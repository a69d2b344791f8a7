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

export class Listeners {
  readonly #settings: Settings
  readonly #isOwn: (event: RowcastEvent) => boolean
  readonly #entries = new Set<Entry>()
  readonly #seen = new Set<string>()
  #recent: Told[] = []

  constructor(settings: Settings, isOwn: (event: RowcastEvent) => boolean) {
    this.#settings = settings
    this.#isOwn = isOwn
  }

  get size(): number {
    return this.#entries.size
  }

  /**
   * Adds a listener. Other listeners may have made its topics live long ago: then no join looks back for it, and it gets
   * here what came shortly before it.
   */
  add(topics: ReadonlySet<string>, listener: Listener, isJoined: (topic: string) => boolean): () => void {
    const entry = { topics, listener }
    this.#entries.add(entry)
    const since = this.#since()
    const past = this.#recent.filter(r => r.at >= since)
    const live = [...topics].filter(isJoined)
    queueMicrotask(() => {
      if (live.length && this.#entries.has(entry)) this.guard(() => listener.onJoined?.(live))
      for (const told of past) this.#tell(entry, told)
    })
    return () => {
      this.#entries.delete(entry)
    }
  }

  event(event: RowcastEvent, data: string) {
    if (event.id !== undefined) {
      if (this.#seen.has(event.id)) return
      this.#seen.add(event.id)
      for (const oldest of this.#seen) {
        if (this.#seen.size <= REMEMBERED) break
        this.#seen.delete(oldest)
      }
    }
    const told: Told = { at: this.#settings.now(), message: { data, event }, to: new WeakSet() }
    this.#remember(told)
    for (const entry of [...this.#entries]) this.#tell(entry, told)
  }

  resync(resync: Resync) {
    for (const { topics, listener } of [...this.#entries]) {
      if ([...topics].some(topic => resync.topics.some(pattern => matches(pattern, topic)))) {
        this.guard(() => listener.onResync?.(resync))
      }
    }
  }

  joined(names: string[]) {
    for (const { topics, listener } of [...this.#entries]) {
      const mine = names.filter(name => topics.has(name))
      if (mine.length) this.guard(() => listener.onJoined?.(mine))
    }
  }

  /** Calls back. What it throws is reported and goes no further. */
  guard(callback: () => void) {
    try {
      callback()
    } catch (error) {
      if (this.#settings.development) this.#settings.warn('a listener threw', error)
      else if (typeof reportError === 'function') reportError(error)
      else
        queueMicrotask(() => {
          throw error
        })
    }
  }

  #tell(entry: Entry, { message, to }: Told) {
    const { topics, listener } = entry
    const { event } = message
    if (!this.#entries.has(entry) || to.has(listener) || !event.topics.some(topic => topics.has(topic))) return
    to.add(listener)
    this.guard(() => listener.onMessage?.(message))
    this.guard(() => listener.onEvent?.(event, { own: this.#isOwn(event) }))
  }

  #since(): number {
    return this.#settings.now() - this.#settings.lookbackMs
  }

  /** Half of what is remembered may be too old, so that the forgetting costs nothing. */
  #remember(told: Told) {
    const { lookbackMs } = this.#settings
    if (!lookbackMs) return
    const { at } = told
    this.#recent.push(told)
    if (this.#recent[0] && this.#recent[0].at < at - 2 * lookbackMs) {
      this.#recent = this.#recent.filter(r => r.at >= at - lookbackMs)
    }
  }
}
