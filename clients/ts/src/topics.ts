// What is joined, and from where each topic has to go on. Invariant: a topic that
// somebody listens to is either joined, with the cursor in force covering it, or
// it has its own `since` or `from` to be joined with. So nothing is skipped, no
// matter between which two frames the connection breaks.

import type { Denial, Failed, Joined, Request } from './protocol.js'
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
  send(request: Request): void
  joined(names: string[]): void
  resync(resync: Resync): void
  /** `denied` is another. */
  change(): void
}

export interface Topics {
  readonly denied: Readonly<Record<string, Denial>>
  isJoined(name: string): boolean
  acquire(names: Iterable<string>): void
  release(names: Iterable<string>): void
  welcome(maxTopics?: number): void
  /** The connection is gone. */
  lost(): void
  /** Whoever joins next is somebody else. The topics' `from` remains: what stays on the page stays up to date. */
  forget(): void
  /** Nobody is interested any more. */
  clear(): void
  /** A cursor from the server: it covers what is joined, unless a join is unanswered. */
  cursor(cursor: string | undefined): void
  answered(frame: Joined | Failed): void
  /** The server has ended memberships by itself. */
  revoked(names: string[], code: string): void
  resync(resync: Resync): void
}

export function createTopics(settings: Settings, owner: TopicsOwner): Topics {
  const { now, lookbackMs, lingerMs, warn } = settings

  const topics = new Map<string, Topic>()
  let denied: Readonly<Record<string, Denial>> = {}
  let live = false // since `$welcome`
  let maxNames = MAX_NAMES
  let newest: string | undefined // the cursor that covers all joined topics
  let ref = 0
  // One join at a time: until it is answered the server's cursors cover its topics not yet, and are not taken over.
  let asked: { topics: Topic[]; at: number } | undefined
  let leaving: string[] = []
  const owed = new Set<string>() // `recovered: false`, and the `$resync` has not come
  let flushing = false
  let retries = 0
  let retryTimer: ReturnType<typeof setTimeout> | undefined

  function acquire(names: Iterable<string>) {
    for (const name of names) {
      let topic = topics.get(name)
      if (!topic) {
        topic = { name, users: 0, joined: false, from: now() - lookbackMs }
        topics.set(name, topic)
      }
      topic.users++
      clearTimeout(topic.linger)
    }
    schedule()
  }

  function release(names: Iterable<string>) {
    for (const name of names) {
      const topic = topics.get(name)
      if (topic && --topic.users === 0) topic.linger = setTimeout(() => drop(topic), lingerMs)
    }
  }

  function drop(topic: Topic) {
    topics.delete(topic.name)
    owed.delete(topic.name)
    if (topic.joined || asked?.topics.includes(topic)) {
      leaving.push(topic.name)
      schedule()
    }
    if (topic.denial) publishDenied()
  }

  function welcome(maxTopics = MAX_NAMES) {
    live = true
    maxNames = Math.max(1, Math.min(maxTopics, MAX_NAMES))
    for (const topic of topics.values()) topic.shelved = false
    flush() // now, before any frame brings a cursor
  }

  function lost() {
    live = false
    asked = undefined
    leaving = []
    retries = 0
    clearTimeout(retryTimer)
    retryTimer = undefined
    for (const topic of topics.values()) {
      if (topic.joined) topic.since = newest
      topic.joined = false
    }
    if (owed.size) missed(owed)
  }

  function forget() {
    lost()
    newest = undefined
    for (const topic of topics.values()) topic.since = undefined
  }

  function clear() {
    forget()
    for (const topic of topics.values()) clearTimeout(topic.linger)
    topics.clear()
    publishDenied()
  }

  function cursor(cursor: string | undefined) {
    if (cursor !== undefined && !asked) newest = cursor
  }

  function answered(frame: Joined | Failed) {
    if (!asked || frame.ref !== ref) return
    const { at, topics: batch } = asked
    asked = undefined
    const late = now() - at > (lookbackMs || MAX_LOOKBACK_MS)
    const joined: string[] = []
    const uncertain: string[] = []
    for (const topic of batch) {
      const { name } = topic
      if (topics.get(name) !== topic) continue // it was left meanwhile
      topic.joined = frame.kind === '$joined' && frame.topics.includes(name)
      if (topic.joined) {
        joined.push(name)
        if (topic.since === undefined && (late || lookback(topic) > MAX_LOOKBACK_MS)) uncertain.push(name)
        topic.since = topic.denial = undefined
      } else {
        const denial = frame.kind === '$error' ? frame.error : frame.denied[name]
        deny(topic, denial ?? { code: 'internal', message: 'no answer' })
      }
    }
    publishDenied()
    if (frame.kind === '$joined') {
      cursor(frame.cursor)
      if (!frame.recovered) for (const name of joined) owed.add(name)
      else if (uncertain.length) missed(uncertain)
    }
    if (joined.length) {
      retries = 0
      owner.joined(joined)
    }
    flush()
  }

  function revoked(names: string[], code: string) {
    for (const name of names) {
      const topic = topics.get(name)
      if (!topic?.joined) continue
      topic.joined = false
      topic.since = newest
      deny(topic, { code, message: '' })
    }
    publishDenied()
  }

  function resync(resync: Resync) {
    for (const name of owed) {
      if (resync.topics.some(pattern => matches(pattern, name))) owed.delete(name)
    }
    owner.resync(resync)
  }

  /** The client's own resync. */
  function missed(names: Iterable<string>) {
    resync({ topics: [...names], reason: 'history_gap', spreadMs: SPREAD_MS })
  }

  function lookback(topic: Topic): number {
    return Math.max(0, now() - topic.from)
  }

  function deny(topic: Topic, denial: Denial) {
    topic.denial = denial
    topic.shelved = true
    warn(`topic ${topic.name} is denied`, denial)
    if (RETRIED.includes(denial.code)) retryTimer ??= setTimeout(retry, backoff(settings, retries++))
  }

  function retry() {
    retryTimer = undefined
    for (const topic of topics.values()) if (RETRIED.includes(topic.denial?.code ?? '')) topic.shelved = false
    flush()
  }

  function publishDenied() {
    const next = Object.fromEntries([...topics.values()].flatMap(t => (t.denial ? [[t.name, t.denial]] : [])))
    if (JSON.stringify(next) === JSON.stringify(denied)) return
    denied = next
    owner.change()
  }

  /** What is wanted in one go becomes one frame. */
  function schedule() {
    if (flushing) return
    flushing = true
    queueMicrotask(() => {
      flushing = false
      flush()
    })
  }

  function flush() {
    if (!live) return
    while (leaving.length) owner.send({ type: 'leave', topics: leaving.splice(0, MAX_LEAVES) })
    if (asked) return
    const batch: Topic[] = []
    let characters = 0
    for (const topic of topics.values()) {
      if (topic.joined || topic.shelved || (batch[0] && topic.since !== batch[0].since)) continue
      characters += topic.name.length
      if (batch[0] && (batch.length === maxNames || characters > MAX_CHARACTERS)) break
      batch.push(topic)
    }
    if (!batch[0]) return
    const { since } = batch[0]
    asked = { topics: batch, at: now() }
    const join = { type: 'join', ref: ++ref, topics: batch.map(t => t.name) } as const
    const lookback_ms = Math.max(...batch.map(t => lookback(t)))
    owner.send(since === undefined ? { ...join, lookback_ms } : { ...join, since })
  }

  return {
    get denied() {
      return denied
    },
    isJoined: name => topics.get(name)?.joined === true,
    acquire,
    release,
    welcome,
    lost,
    forget,
    clear,
    cursor,
    answered,
    revoked,
    resync,
  }
}
