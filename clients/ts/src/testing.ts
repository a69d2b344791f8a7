// A server for tests: no network, no database, the protocol as it is. Give its
// `WebSocket` to a client and tell it what happens.

import type { Denial, RowcastEvent } from './protocol.js'
import type { AnyEvents, EventMap, WebSocketConstructor, WebSocketLike } from './types.js'

/** An event as a test writes it; the rest is filled in. */
export type FakeEvent<E extends EventMap = AnyEvents> = {
  [T in keyof E & string]: { type: T; payload: E[T] } & Partial<Omit<RowcastEvent<T>, 'type' | 'payload'>>
}[keyof E & string]

export interface FakeServerOptions {
  heartbeatMs?: number
  /** More topics than these are denied. */
  maxTopics?: number
  /** A lookback further than this is answered `recovered: false`. Default 60,000. */
  lookbackMs?: number
  schema?: string
  /** Demands tokens, and says which ones are good. */
  token?: (token: string) => boolean
  /** Why a topic is denied; undefined: it is not. */
  deny?: (topic: string) => Denial | undefined
  now?: () => number
  /**
   * Runs what happens on the network, later. Default: `queueMicrotask`. A lane is one direction of one connection:
   * whatever a test does with time, a lane must stay in order.
   */
  later?: (task: () => void, lane: object) => void
}

/** What a client has sent. */
export interface FakeRequest {
  type: string
  ref?: number
  topics?: string[]
  since?: string
  lookback_ms?: number
  token?: string
}

export interface FakeServer<E extends EventMap = AnyEvents> {
  readonly WebSocket: WebSocketConstructor
  /** All frames from clients, of all connections. */
  readonly requests: readonly FakeRequest[]
  /** How often a client has tried to connect. */
  readonly attempts: number
  /** The connections that are open now. */
  readonly connections: number
  /** Sends an event to whoever joined one of its topics (default: `messages`), and keeps it for replays. */
  emit(event: FakeEvent<E>): RowcastEvent
  /** Tells clients to fetch again what these topics feed. Default: everything. */
  resync(topics?: string[], reason?: string): void
  /** Hands out the cursor, as a quiet connection gets it. */
  ping(): void
  /** Announces the end, then closes. */
  bye(retryAfterMs?: number): void
  /** The tokens in use run out soon. */
  expireTokens(): void
  /** Sends anything to everybody: an object as JSON, a text as it is. */
  send(frame: unknown): void
  /** Breaks all connections. 1006 is what a broken network looks like. */
  drop(code?: number): void
  /** Refuses connections: with 1006 before they open, with another code after that. Until `accept`. */
  refuse(code?: number): void
  accept(): void
  /** What was sent until now cannot be replayed any more. */
  forget(): void
  /** Resolves when some client has been told that it joined the topic. */
  joined(topic: string): Promise<void>
}

export function fakeServer<E extends EventMap = AnyEvents>(options: FakeServerOptions = {}): FakeServer<E> {
  const { heartbeatMs = 25_000, maxTopics = 100, lookbackMs = 60_000, schema, token, deny, now = Date.now } = options
  const later = options.later ?? queueMicrotask
  const requests: FakeRequest[] = []
  const open = new Set<Connection>()
  const waiting: { topic: string; resolve: () => void }[] = []
  const history: { at: number; event: RowcastEvent }[] = []
  let attempts = 0
  let seq = 0
  let forgotten = 0 // up to this number
  let forgottenAt = Number.NEGATIVE_INFINITY
  let refusal: number | undefined

  const cursor = () => `c${seq}`

  class Connection implements WebSocketLike {
    readyState = 0
    onopen: WebSocketLike['onopen'] = null
    onmessage: WebSocketLike['onmessage'] = null
    onclose: WebSocketLike['onclose'] = null
    onerror: WebSocketLike['onerror'] = null
    readonly topics = new Set<string>()
    readonly told = new Set<string>() // of these it knows that it joined them
    readonly #up = {}
    readonly #down = {}
    readonly #desk = {}
    #held: RowcastEvent[] | undefined // while a join is open: live events come after its answer
    #welcomed = false

    constructor(_url: string, protocols?: string | string[]) {
      attempts++
      if (![protocols].flat().includes('rowcast.v1')) throw new Error('fakeServer speaks rowcast.v1 only')
      later(() => {
        if (this.readyState !== 0) return
        if (refusal === 1006) return this.drop(1006)
        this.readyState = 1
        open.add(this)
        this.onopen?.({})
        if (refusal) this.drop(refusal)
        else if (!token) this.#welcome()
      }, this.#down)
    }

    send(data: string) {
      if (this.readyState === 0) throw new Error('the socket is not open yet')
      later(() => this.readyState === 1 && this.#take(JSON.parse(data)), this.#up)
    }

    close(code = 1005) {
      if (this.readyState > 1) return
      this.readyState = 2
      open.delete(this)
      later(() => this.#closed(code), this.#down)
    }

    /** Ends it from the server's side or the network's: what is under way is lost. */
    drop(code: number) {
      if (this.readyState > 1) return
      open.delete(this)
      this.#closed(code)
    }

    tell(type: string, payload: object, ref?: number) {
      this.transmit(JSON.stringify({ type, ref, payload }))
    }

    event(event: RowcastEvent) {
      if (!event.topics.some(topic => this.topics.has(topic))) return
      if (this.#held) this.#held.push(event)
      else this.transmit(JSON.stringify(event))
    }

    transmit(data: string, then?: () => void) {
      later(() => {
        if (this.readyState > 2) return // not all kinds of WebSocket fall silent when they are told to close
        this.onmessage?.({ data })
        then?.()
      }, this.#down)
    }

    /** Sends the rest, then closes. */
    finish(code: number) {
      later(() => this.drop(code), this.#down)
    }

    #closed(code: number) {
      this.readyState = 3
      if (code === 1006) this.onerror?.({})
      this.onclose?.({ code, reason: '' })
    }

    #welcome() {
      this.#welcomed = true
      const limits = { topics: maxTopics }
      this.tell('$welcome', {
        session: `s${attempts}`,
        protocol: 'rowcast.v1',
        heartbeat_ms: heartbeatMs,
        limits,
        schema,
        cursor: cursor(),
      })
    }

    #take(request: FakeRequest) {
      requests.push(request)
      const { type, ref } = request
      if (type === 'auth') {
        if (token && !token(request.token ?? '')) {
          this.tell('$error', { code: 'unauthenticated', message: 'not a good token' }, ref)
          return this.finish(4401)
        }
        this.tell('$authed', {}, ref)
        if (!this.#welcomed) this.#welcome()
      } else if (type === 'ping') {
        this.tell('$pong', { at: new Date(now()).toISOString() }, ref)
      } else if (type === 'join' || type === 'leave') {
        this.#serve(request)
      } else {
        this.tell('$error', { code: 'bad_frame', message: 'unknown type' }, ref)
      }
    }

    /** One after the other. */
    #serve(request: FakeRequest) {
      const { type, ref, topics = [] } = request
      if (this.#held) return later(() => this.#serve(request), this.#desk)
      if (type === 'join') return this.#join(request)
      for (const topic of topics) {
        this.topics.delete(topic)
        this.told.delete(topic)
      }
      this.tell('$left', { topics }, ref)
    }

    #join({ ref, topics = [], since, lookback_ms }: FakeRequest) {
      const joined: string[] = []
      const denied: Record<string, Denial> = {}
      for (const topic of topics) {
        const full = this.topics.size >= maxTopics && !this.topics.has(topic)
        const why = full ? { code: 'too_many_topics', message: `at most ${maxTopics}` } : deny?.(topic)
        if (why) denied[topic] = why
        else {
          this.topics.add(topic)
          joined.push(topic)
        }
      }
      const { events, missed } = this.#replay(since, lookback_ms)
      const replayed = missed ? [] : events.filter(e => e.topics.some(topic => joined.includes(topic)))
      for (const event of replayed) this.transmit(JSON.stringify(event))
      const recovered = since === undefined && lookback_ms === undefined ? undefined : !missed
      const payload = { topics: joined, denied, replayed: replayed.length, recovered, cursor: cursor() }
      this.#held = []
      later(() => {
        this.transmit(JSON.stringify({ type: '$joined', ref, payload }), () => {
          for (const topic of joined) this.told.add(topic)
          for (const { topic, resolve } of waiting) if (this.told.has(topic)) resolve()
        })
        if (missed && joined.length)
          this.tell('$resync', { topics: joined, reason: missed, spread_ms: 3000, cursor: payload.cursor })
        for (const event of this.#held ?? []) this.transmit(JSON.stringify(event))
        this.#held = undefined
      }, this.#desk)
    }

    #replay(since?: string, lookback?: number): { events: RowcastEvent[]; missed?: string } {
      if (since !== undefined) {
        const after = /^c\d+$/.test(since) ? Number(since.slice(1)) : Number.NaN
        if (!(after <= seq)) return { events: [], missed: 'cursor_foreign' }
        if (after < forgotten) return { events: [], missed: 'cursor_expired' }
        return { events: history.map(h => h.event).filter(e => Number(e.cursor?.slice(1)) > after) }
      }
      if (lookback === undefined) return { events: [] }
      const from = now() - lookback
      if (from <= forgottenAt || lookback > lookbackMs) return { events: [], missed: 'history_gap' }
      return { events: history.filter(h => h.at >= from).map(h => h.event) }
    }
  }

  const everyone = (act: (connection: Connection) => void) => [...open].forEach(act)

  return {
    WebSocket: Connection,
    requests,
    get attempts() {
      return attempts
    },
    get connections() {
      return open.size
    },
    emit(given) {
      seq++
      const event: RowcastEvent = {
        topics: ['messages'],
        op: 'emit',
        id: `fake.${seq}`,
        at: new Date(now()).toISOString(),
        ...(given as FakeEvent),
        cursor: cursor(),
      }
      history.push({ at: now(), event })
      everyone(c => c.event(event))
      return event
    },
    resync(topics = ['*'], reason = 'source_gap') {
      everyone(c => c.tell('$resync', { topics, reason, spread_ms: 0, cursor: cursor() }))
    },
    ping: () => everyone(c => c.tell('$ping', { cursor: cursor(), at: new Date(now()).toISOString() })),
    bye: (retryAfterMs = 0) =>
      everyone(c => {
        c.tell('$bye', { code: 1012, reconnect: true, retry_after_ms: retryAfterMs })
        c.finish(1012)
      }),
    expireTokens: () => everyone(c => c.tell('$token_expiring', { in_ms: 60_000 })),
    send: frame => everyone(c => c.transmit(typeof frame === 'string' ? frame : JSON.stringify(frame))),
    drop: (code = 1006) => everyone(c => c.drop(code)),
    refuse(code = 1006) {
      refusal = code
    },
    accept() {
      refusal = undefined
    },
    forget() {
      forgotten = seq
      forgottenAt = now()
      history.length = 0
    },
    joined: topic =>
      new Promise(resolve => {
        if ([...open].some(c => c.told.has(topic))) resolve()
        else waiting.push({ topic, resolve })
      }),
  }
}
