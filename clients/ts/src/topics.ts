// What is joined, and from where each topic has to go on. Invariant: a topic that
// somebody listens to is either joined, with the cursor in force covering it, or
// it has its own `since` or `from` to be joined with. So nothing is skipped, no
// matter between which two frames the connection breaks.

import { type Answer, type Denial, matcher, type Request } from './protocol.js'
import { backoff, type Settings } from './settings.js'
import type { Resync } from './types.js'

/** In one frame. A name has up to 200 bytes, and by default a server takes frames of 64 KB. */
const MAX_NAMES = 300

/** The spread of a resync that is the client's own idea. */
const SPREAD_MS = 3000

/** What may be right in a moment: the server has recovered, or other topics have been left. */
const RETRIED = ['unavailable', 'rate_limited', 'too_many_topics']

interface Topic {
  readonly name: string
  users: number
  joined: boolean
  /** The cursor to join with, when it is not joined. */
  since?: string
  /** Without `since`: the time from which on events are wanted. */
  readonly from: number
  denial?: Denial
  /** Denied, and not to be asked for again on this connection, or not yet. */
  shelved?: boolean
}

/** What the owner of the topics does for them. Each may call back into the topics, or end the connection. */
export interface TopicsOwner {
  send(request: Request): void
  joined(names: ReadonlySet<string>): void
  resync(resync: Resync, isMeant: (topic: string) => boolean): void
  /** `denied` is another. */
  change(): void
}

export interface Topics {
  readonly denied: Readonly<Record<string, Denial>>
  isJoined(name: string): boolean
  acquire(names: Iterable<string>): void
  /** A topic that nobody wants any more is left. */
  release(names: Iterable<string>): void
  /** The connection can be used. */
  welcome(): void
  /** The connection is gone. */
  lost(): void
  /** Whoever joins next is somebody else. The topics' `from` remains: what stays on the page stays up to date. */
  forget(): void
  /** A cursor from the server: it covers what is joined, unless a join is unanswered. */
  cursor(cursor: string | undefined): void
  answered(answer: Answer): void
  /** The server has ended memberships by itself. */
  revoked(names: string[], code: string): void
  resync(resync: Resync): void
  /** Asks again for what was denied. */
  retry(): void
}

export function createTopics(settings: Settings, owner: TopicsOwner): Topics {
  const { now, lookbackMs, warn } = settings

  const topics = new Map<string, Topic>()
  let denied: Readonly<Record<string, Denial>> = {}
  let live = false // since `$welcome`
  let newest: string | undefined // the cursor that covers all joined topics
  let ref = 0
  // One join at a time: until it is answered the server's cursors cover its topics not yet, and are not taken over.
  let asked: { topics: Topic[]; at: number; since?: string } | undefined
  const leaving: string[] = []
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
    }
    schedule()
  }

  function release(names: Iterable<string>) {
    for (const name of names) {
      const topic = topics.get(name)
      if (!topic || --topic.users) continue
      topics.delete(name)
      owed.delete(name)
      if (topic.joined || asked?.topics.includes(topic)) leaving.push(name)
      if (topic.denial) publishDenied()
    }
    schedule()
  }

  function welcome() {
    live = true
    retry() // now, before any frame brings a cursor
  }

  function lost() {
    live = false
    asked = undefined
    leaving.length = 0
    clearTimeout(retryTimer)
    for (const topic of topics.values()) {
      if (topic.joined) topic.since = newest
      topic.joined = false
    }
    if (owed.size) missed(owed)
  }

  function forget() {
    newest = undefined
    for (const topic of topics.values()) topic.since = undefined
  }

  function cursor(cursor: string | undefined) {
    if (cursor !== undefined && !asked) newest = cursor
  }

  function answered(answer: Answer) {
    if (!asked || answer.ref !== ref) return
    const { topics: batch, at, since } = asked
    asked = undefined
    const joined = new Set<string>()
    const members = new Set(answer.topics)
    for (const topic of batch) {
      const { name } = topic
      if (topics.get(name) !== topic) continue // it was left meanwhile
      if (members.has(name)) {
        topic.joined = true
        topic.denial = undefined
        joined.add(name)
        if (!answer.recovered) owed.add(name)
      } else {
        deny(topic, answer.denied.get(name) ?? answer.error)
      }
    }
    cursor(answer.cursor)
    if (joined.size) retries = 0
    flush()
    // All is settled before anyone is told.
    publishDenied()
    if (!joined.size) return
    // The server looks back from when the join arrives: one that was under way for longer may have missed something.
    if (since === undefined && lookbackMs && now() - at > lookbackMs && answer.recovered) missed(joined)
    owner.joined(joined)
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

  function resync({ topics, reason, spreadMs }: Resync) {
    const isMeant = matcher(topics)
    for (const name of owed) if (isMeant(name)) owed.delete(name)
    owner.resync({ topics, reason, spreadMs }, isMeant)
  }

  /** The client's own resync. */
  function missed(names: Iterable<string>) {
    resync({ topics: [...names], reason: 'history_gap', spreadMs: SPREAD_MS })
  }

  function deny(topic: Topic, denial: Denial) {
    if (!topic.denial) warn(`topic ${topic.name} is denied`, denial)
    topic.denial = denial
    topic.shelved = true
    if (RETRIED.includes(denial.code)) retryTimer ??= setTimeout(retry, backoff(settings, retries++))
  }

  function retry() {
    clearTimeout(retryTimer)
    retryTimer = undefined
    for (const topic of topics.values()) topic.shelved = false
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
    while (leaving.length) owner.send({ type: 'leave', topics: leaving.splice(0, MAX_NAMES) })
    if (asked) return
    const wanted = [...topics.values()].filter(topic => !topic.joined && !topic.shelved)
    const [oldest] = wanted
    if (!oldest) return
    const { since, from } = oldest
    const batch = wanted.filter(topic => topic.since === since).slice(0, MAX_NAMES)
    const at = now()
    asked = { topics: batch, at, since }
    const lookback_ms = since === undefined ? at - from : undefined
    owner.send({ type: 'join', ref: ++ref, topics: batch.map(topic => topic.name), since, lookback_ms })
  }

  return {
    get denied() {
      return denied
    },
    isJoined: name => !!topics.get(name)?.joined,
    acquire,
    release,
    welcome,
    lost,
    forget,
    cursor,
    answered,
    revoked,
    resync,
    retry,
  }
}
