import type { Denial, EventOf } from './protocol.js'

/** Event type → payload: what `rowcast types` generates, and anyone can write by hand. */
export type EventMap = object

/** The events of a client that was given no map. */
export type AnyEvents = Record<string, Record<string, unknown>>

/**
 * - `connecting`: the first attempt, or nobody has subscribed yet
 * - `connected`: the server has said `$welcome`
 * - `reconnecting`: lost, and tried again
 * - `disconnected`: gave up (a slow probe goes on), was refused, signed out or closed
 */
export type ConnectionState = 'connecting' | 'connected' | 'reconnecting' | 'disconnected'

/** Like a MessageEvent: `JSON.parse(message.data)` is `{ type, payload, … }`. Already parsed in `event`. */
export interface Message<E extends EventMap = AnyEvents> {
  readonly data: string
  readonly event: EventOf<E>
}

/** Something may have been missed in these topics: fetch again what they feed, after a random delay of up to `spreadMs`. */
export interface Resync {
  /** Names or patterns, in which `*` stands for any text. */
  topics: string[]
  reason: string
  spreadMs: number
}

/** Said about an event by the client, not by the server. */
export interface EventContext {
  /** The event's `mutation_id` is one that `newMutationId()` gave out. */
  own: boolean
}

export interface Listener<E extends EventMap = AnyEvents> {
  onMessage?(message: Message<E>): void
  onEvent?(event: EventOf<E>, context: EventContext): void
  /** Called when a pattern matches one of this listener's topics. */
  onResync?(resync: Resync): void
  /** Called with those of this listener's topics that are live from now on; again after each reconnect. */
  onJoined?(topics: string[]): void
}

export interface Client<E extends EventMap = AnyEvents> {
  /**
   * Joins the topics until the returned function is called. Counted: the first listener connects, the last one's end
   * closes the socket after `lingerMs`.
   */
  subscribe(topics: readonly string[], listener?: Listener<E>): () => void
  readonly connectionState: ConnectionState
  /** Topics that were refused, and why. A new object whenever it changes. */
  readonly denied: Readonly<Record<string, Denial>>
  /** When the next attempt is made (ms since 1970), for a countdown; null when none is planned. */
  readonly nextRetryAt: number | null
  /** Frames that were no JSON or no event. They are skipped. */
  readonly badFrames: number
  /** Calls back when `connectionState`, `denied` or `nextRetryAt` has changed. */
  onChange(callback: () => void): () => void
  /** An id to put into the database setting `rowcast.mutation_id`, through a request header. */
  newMutationId(): string
  isOwn(event: { mutation_id?: string }): boolean
  /** Connects at once, whatever ended the connection. On a living one, asks again for what was denied. */
  retry(): void
  /** Login, logout or another user: connects anew with what `token` says now. */
  authChanged(): void
  /** Closes the socket. Only `subscribe` and `retry` open it again, where it left off. */
  close(): void
}

export interface BackoffOptions {
  /** The first delay. */
  baseMs?: number
  factor?: number
  maxMs?: number
  /** After so many the state is `disconnected`. */
  attempts?: number
  /** The part of a delay that is added to it at random, at most. */
  jitter?: number
  /** How often a client that gave up tries again. */
  probeMs?: readonly [min: number, max: number]
  /** A connection counts as good after so long, and attempts are counted from the start. */
  stableMs?: number
}

export interface ClientOptions {
  /** Relative to the page; `http` becomes `ws`. Default `/ws`. */
  url?: string | (() => string | Promise<string>)
  /** Asked before each connection and when a token runs out. Null: signed out. */
  token?: () => string | null | Promise<string | null>
  /** The hash that `rowcast types` generated. A server that has another one is warned about. */
  schema?: string
  /**
   * What happened so long before `subscribe` is delivered too, which closes the hole between a fetch and its join.
   * Default 2000.
   */
  lookbackMs?: number
  backoff?: BackoffOptions
  /** How long topics and the socket outlive their last listener. Default 250. */
  lingerMs?: number
  /** Default: `console.warn`, unless NODE_ENV is `production`. */
  warn?: (message: string, detail?: unknown) => void
  WebSocket?: WebSocketConstructor
  random?: () => number
  now?: () => number
}

/** A method's parameter may be narrower than asked, so that the DOM's own WebSocket fits. */
type Handler<T> = { call(event: T): void }['call'] | null

/** What is used of a WebSocket. */
export interface WebSocketLike {
  readonly readyState: number
  onopen: Handler<unknown>
  onmessage: Handler<{ data: unknown }>
  onclose: Handler<{ code: number; reason: string }>
  onerror: Handler<unknown>
  send(data: string): void
  close(code?: number, reason?: string): void
}

export type WebSocketConstructor = new (url: string, protocols?: string | string[]) => WebSocketLike
