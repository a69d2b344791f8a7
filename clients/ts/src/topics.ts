// What is joined, and from where each topic has to go on. Invariant: a topic that
// somebody listens to is either joined, with the cursor in force covering it, or
// it has its own `since` or `from` to be joined with. So nothing is skipped, no
// matter between which two frames the connection breaks.

import type { Denial, Frame, Request } from './protocol.js'
import { matches } from './protocol.js'
import { backoff, type Settings } from './settings.js'
import type { Resync } from './types.js'

/** A frame may name so many topics at most (docs/protocol.md). */
const MAX_NAMES = 1000

/** A server takes frames of 64 KB by default; a character has up to 4 bytes, a name up to 200. */
const MAX_CHARACTERS = 8192
const MAX_LEAVES = 50

/**
 * A look further back may be further than the server's limit, which nobody tells. So may one whose join was on its way
 * for longer than the lookback: the server counts from when the join arrives. Fetching again is certain.
 */
const MAX_LOOKBACK_MS = 15_000

/** The spread of a resync that is the client's own idea. */
const SPREAD_MS = 3000

const RETRIED = ['unavailable', 'rate_limited']

interface Topic {
  readonly name: string
  users: number
  joined: boolean
  /** The cursor to join with. */
  since?: string
  /** Without `since`: the time from which on events are wanted. */
  readonly from: number
  denial?: Denial
  /** Denied, and not to be asked for again on this connection, or not yet. */
  shelved?: boolean
  linger?: ReturnType<typeof setTimeout>
}

/** What the owner of the topics does for them. */
export interface TopicsOwner {
  send(request: Request & { ref?: number }): boolean
  joined(names: string[]): void
  resync(resync: Resync): void
  /** `denied` is another. */
  change(): void
}

export class Topics {
  denied: Readonly<Record<string, Denial>> = {}

  readonly #settings: Settings
  readonly #owner: TopicsOwner
  readonly #topics = new Map<string, Topic>()
  #live = false // since `$welcome`
  #maxNames = MAX_NAMES
  #cursor: string | undefined // covers all joined topics
  #ref = 0
  // One join at a time: until it is answered the server's cursors cover its topics not yet, and are not taken over.
  #asked: { topics: Topic[]; at: number } | undefined
  #leaving: string[] = []
  #owed = new Set<string>() // `recovered: false`, and the `$resync` has not come
  #flushing = false
  #retries = 0
  #retryTimer: ReturnType<typeof setTimeout> | undefined

  constructor(settings: Settings, owner: TopicsOwner) {
    this.#settings = settings
    this.#owner = owner
  }

  isJoined(name: string): boolean {
    return this.#topics.get(name)?.joined === true
  }

  acquire(names: Iterable<string>) {
    const { now, lookbackMs } = this.#settings
    for (const name of names) {
      let topic = this.#topics.get(name)
      if (!topic) {
        topic = { name, users: 0, joined: false, from: now() - lookbackMs }
        this.#topics.set(name, topic)
      }
      topic.users++
      clearTimeout(topic.linger)
    }
    this.#schedule()
  }

  release(names: Iterable<string>) {
    for (const name of names) {
      const topic = this.#topics.get(name)
      if (topic && --topic.users === 0) topic.linger = setTimeout(() => this.#drop(topic), this.#settings.lingerMs)
    }
  }

  #drop(topic: Topic) {
    this.#topics.delete(topic.name)
    this.#owed.delete(topic.name)
    if (topic.joined || this.#asked?.topics.includes(topic)) {
      this.#leaving.push(topic.name)
      this.#schedule()
    }
    if (topic.denial) this.#publishDenied()
  }

  welcome(maxTopics = MAX_NAMES) {
    this.#live = true
    this.#maxNames = Math.max(1, Math.min(maxTopics, MAX_NAMES))
    for (const topic of this.#topics.values()) topic.shelved = false
    this.#flush() // now, before any frame brings a cursor
  }

  /** The connection is gone. */
  lost() {
    this.#live = false
    this.#asked = undefined
    this.#leaving = []
    this.#retries = 0
    clearTimeout(this.#retryTimer)
    this.#retryTimer = undefined
    for (const topic of this.#topics.values()) {
      if (topic.joined) topic.since = this.#cursor
      topic.joined = false
    }
    if (this.#owed.size) this.#resync(this.#owed)
  }

  /** Whoever joins next is somebody else. The topics' `from` remains: what stays on the page stays up to date. */
  forget() {
    this.lost()
    this.#cursor = undefined
    for (const topic of this.#topics.values()) topic.since = undefined
  }

  /** Nobody is interested any more. */
  clear() {
    this.forget()
    for (const topic of this.#topics.values()) clearTimeout(topic.linger)
    this.#topics.clear()
    this.#publishDenied()
  }

  /** A cursor from the server: it covers what is joined, unless a join is unanswered. */
  cursor(cursor: string | undefined) {
    if (cursor !== undefined && !this.#asked) this.#cursor = cursor
  }

  answered(frame: Frame & { kind: '$joined' | '$error' }) {
    const asked = this.#asked
    if (!asked || frame.ref !== this.#ref) return
    this.#asked = undefined
    const topics = asked.topics.filter(t => this.#topics.get(t.name) === t) // the others were left meanwhile
    const joined = topics.filter(t => frame.kind === '$joined' && frame.topics.includes(t.name))
    const late = this.#settings.now() - asked.at > (this.#settings.lookbackMs || MAX_LOOKBACK_MS)
    const missed = joined.filter(t => t.since === undefined && (late || this.#lookback(t) > MAX_LOOKBACK_MS))
    for (const topic of topics) {
      const denial = frame.kind === '$error' ? frame.error : frame.denied[topic.name]
      topic.joined = joined.includes(topic)
      if (topic.joined) topic.since = topic.denial = undefined
      else this.#deny(topic, denial ?? { code: 'internal', message: 'no answer' })
    }
    this.#publishDenied()
    if (frame.kind === '$joined') {
      this.cursor(frame.cursor)
      if (!frame.recovered) for (const topic of joined) this.#owed.add(topic.name)
      else if (missed.length) this.#resync(missed.map(t => t.name))
    }
    if (joined.length) this.#owner.joined(joined.map(t => t.name))
    this.#flush()
  }

  /** The server has ended memberships by itself. */
  revoked(names: string[], code: string) {
    for (const name of names) {
      const topic = this.#topics.get(name)
      if (!topic?.joined) continue
      topic.joined = false
      topic.since = this.#cursor
      this.#deny(topic, { code, message: '' })
    }
    this.#publishDenied()
  }

  resync(resync: Resync) {
    for (const name of this.#owed) {
      if (resync.topics.some(pattern => matches(pattern, name))) this.#owed.delete(name)
    }
    this.#owner.resync(resync)
  }

  #resync(names: Iterable<string>) {
    this.resync({ topics: [...names], reason: 'history_gap', spreadMs: SPREAD_MS })
  }

  #lookback(topic: Topic): number {
    return Math.max(0, this.#settings.now() - topic.from)
  }

  #deny(topic: Topic, denial: Denial) {
    topic.denial = denial
    topic.shelved = true
    this.#settings.warn(`topic ${topic.name} is denied`, denial)
    if (RETRIED.includes(denial.code))
      this.#retryTimer ??= setTimeout(() => this.#retry(), backoff(this.#settings, this.#retries++))
  }

  #retry() {
    this.#retryTimer = undefined
    for (const topic of this.#topics.values()) if (RETRIED.includes(topic.denial?.code ?? '')) topic.shelved = false
    this.#flush()
  }

  #publishDenied() {
    const denied = Object.fromEntries([...this.#topics.values()].flatMap(t => (t.denial ? [[t.name, t.denial]] : [])))
    if (JSON.stringify(denied) === JSON.stringify(this.denied)) return
    this.denied = denied
    this.#owner.change()
  }

  /** What is wanted in one go becomes one frame. */
  #schedule() {
    if (this.#flushing) return
    this.#flushing = true
    queueMicrotask(() => {
      this.#flushing = false
      this.#flush()
    })
  }

  #flush() {
    if (!this.#live) return
    while (this.#leaving.length) this.#owner.send({ type: 'leave', topics: this.#leaving.splice(0, MAX_LEAVES) })
    if (this.#asked) return
    const batch: Topic[] = []
    let characters = 0
    for (const topic of this.#topics.values()) {
      if (topic.joined || topic.shelved || (batch[0] && topic.since !== batch[0].since)) continue
      characters += topic.name.length
      if (batch[0] && (batch.length === this.#maxNames || characters > MAX_CHARACTERS)) break
      batch.push(topic)
    }
    if (!batch[0]) return
    const { since } = batch[0]
    this.#asked = { topics: batch, at: this.#settings.now() }
    const join = { type: 'join', ref: ++this.#ref, topics: batch.map(t => t.name) } as const
    const lookback_ms = Math.max(...batch.map(t => this.#lookback(t)))
    this.#owner.send(since === undefined ? { ...join, lookback_ms } : { ...join, since })
  }
}
