// The life of the socket: connect, stay, come back, give up, be revived. What is
// said on it is the business of topics.ts.

import { decode, type Frame, type Request, verdict } from './protocol.js'
import { backoff, type Settings } from './settings.js'
import type { ConnectionState, WebSocketConstructor, WebSocketLike } from './types.js'

/** From the first thought of a socket to its `$welcome`. */
const CONNECT_MS = 10_000

/** Twice this after a missed heartbeat: first the server is asked, then given up. */
const GRACE_MS = 5000

/** A heartbeat to go by until the server has said its own. */
const HEARTBEAT_MS = 25_000

/** What the owner of a socket is told. */
export interface SocketOwner {
  welcome(frame: Frame & { kind: '$welcome' }): void
  frame(frame: Frame, data: string): void
  /** The connection is gone. Called before `change`, and also when there never was a `$welcome`. */
  lost(): void
  /** The token is null: what was joined was joined by somebody else. */
  signedOut(): void
  /** `state` or `nextRetryAt` is another. */
  change(): void
  bad(data: unknown): void
}

/** One try, and the connection it becomes. Whatever comes from another one than the current is ignored. */
interface Attempt {
  ws?: WebSocketLike
  welcomedAt?: number
  /** `$bye`: come back after so long, or (null) never. */
  bye?: number | null
}

export class Socket {
  state: ConnectionState = 'connecting'
  nextRetryAt: number | null = null

  readonly #settings: Settings
  readonly #owner: SocketOwner
  #running = false // false: nobody wants it, or it was closed or refused: nothing but connect() revives it
  #attempt: Attempt | undefined
  #failures = 0
  #askedForToken = false // after a 4401; a second one is final
  #timer: ReturnType<typeof setTimeout> | undefined // the next attempt, the end of this one, or the watchdog
  #heartbeatMs = HEARTBEAT_MS
  #unlisten = () => {}

  constructor(settings: Settings, owner: SocketOwner) {
    this.#settings = settings
    this.#owner = owner
  }

  /** Connects, unless it already tries to. */
  start() {
    if (!this.#running) this.revive()
  }

  /** Connects at once, with all attempts before it. A living connection is asked whether it lives. */
  revive() {
    this.#failures = 0
    this.#askedForToken = false
    if (this.#attempt) {
      if (this.state === 'connected') this.#ask()
      return
    }
    this.state = this.#running ? 'reconnecting' : 'connecting'
    if (!this.#running) {
      this.#running = true
      this.#listen()
    }
    this.#open()
    this.#owner.change()
  }

  /** Closes for good: only `start` or `revive` open again. */
  stop(state: ConnectionState) {
    this.#running = false
    this.#unlisten()
    this.#end(state)
  }

  /** Says whether there was a connection to send it on. */
  send(request: Request & { ref?: number }): boolean {
    const ws = this.#attempt?.ws
    if (ws?.readyState !== 1) return false
    ws.send(JSON.stringify(request))
    return true
  }

  async #open() {
    const { url, token: askToken, warn } = this.#settings
    const attempt: Attempt = {}
    this.#attempt = attempt
    this.nextRetryAt = null
    this.#after(CONNECT_MS, () => this.#lose(attempt, 1006))
    try {
      const token = await askToken?.()
      const address = new URL(typeof url === 'function' ? await url() : url, globalThis.location?.href)
      if (this.#attempt !== attempt) return
      if (askToken && !token) return this.#signOut()
      const WebSocket: WebSocketConstructor = this.#settings.WebSocket ?? globalThis.WebSocket
      const ws = new WebSocket(address.href.replace(/^http/, 'ws'), 'rowcast.v1')
      attempt.ws = ws
      ws.onopen = () => {
        if (token && this.#attempt === attempt) this.send({ type: 'auth', token })
      }
      ws.onmessage = ({ data }) => this.#receive(attempt, data)
      ws.onclose = ({ code }) => this.#lose(attempt, code)
    } catch (error) {
      if (this.#attempt === attempt) warn('cannot connect', error)
      this.#lose(attempt, 1006)
    }
  }

  #receive(attempt: Attempt, data: unknown) {
    if (this.#attempt !== attempt) return
    if (attempt.welcomedAt !== undefined) this.#watch()
    const frame = decode(data)
    switch (frame?.kind) {
      case undefined:
        return this.#owner.bad(data)
      case '$welcome':
        if (attempt.welcomedAt !== undefined) return
        attempt.welcomedAt = this.#settings.now()
        this.#heartbeatMs = frame.heartbeatMs ?? HEARTBEAT_MS
        this.#watch()
        this.state = 'connected'
        this.#owner.welcome(frame)
        return this.#owner.change()
      case '$bye':
        attempt.bye = frame.reconnect ? frame.retryAfterMs : null
        return
      case '$token_expiring':
        this.#renew(attempt)
        return
      default:
        this.#owner.frame(frame as Frame, data as string)
    }
  }

  async #renew(attempt: Attempt) {
    try {
      const token = await this.#settings.token?.()
      if (this.#attempt !== attempt || token === undefined) return
      if (token) this.send({ type: 'auth', token })
      else this.#signOut()
    } catch (error) {
      this.#settings.warn('no new token', error) // 4401 will come and ask once more
    }
  }

  #signOut() {
    this.#owner.signedOut()
    this.stop('disconnected')
  }

  #lose(attempt: Attempt, code: number) {
    if (this.#attempt !== attempt) return
    const { backoff: b, random, now, token } = this.#settings
    if (attempt.welcomedAt !== undefined && now() - attempt.welcomedAt >= b.stableMs) {
      this.#failures = 0
      this.#askedForToken = false
    }
    const fate = attempt.bye === null ? 'never' : verdict(code)
    if (fate === 'never' || (fate === 'token' && (!token || this.#askedForToken))) return this.stop('disconnected')
    let state: ConnectionState = this.state === 'connected' || fate === 'back' ? 'reconnecting' : this.state
    let delay = 0
    if (fate === 'token') this.#askedForToken = true
    else if (typeof attempt.bye === 'number') delay = Math.min(attempt.bye, b.probeMs[1])
    else if (this.#failures < b.attempts) delay = backoff(this.#settings, this.#failures++)
    else {
      state = 'disconnected'
      delay = b.probeMs[0] + (b.probeMs[1] - b.probeMs[0]) * random()
    }
    this.#end(state, delay)
  }

  /** Ends what there is and plans what comes next. All is settled before anyone is told: they may call back. */
  #end(state: ConnectionState, delay?: number) {
    const ws = this.#attempt?.ws
    this.#attempt = undefined
    this.state = state
    this.nextRetryAt = delay === undefined ? null : this.#settings.now() + delay
    clearTimeout(this.#timer)
    if (delay !== undefined) this.#after(delay, () => this.#retry())
    ws?.close()
    this.#owner.lost()
    this.#owner.change()
  }

  #retry() {
    this.#open()
    this.#owner.change()
  }

  /** No frame for a heartbeat and twice the grace: the connection is dead. */
  #watch() {
    this.#after(this.#heartbeatMs + GRACE_MS, () => this.#ask())
  }

  /**
   * Asks the server for a sign of life. The watchdog does not trust its own clock: in a page that was frozen it
   * rings late, with frames waiting behind it.
   */
  #ask() {
    const attempt = this.#attempt
    this.send({ type: 'ping' })
    this.#after(GRACE_MS, () => attempt && this.#lose(attempt, 1006))
  }

  #after(ms: number, then: () => void) {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(then, ms)
  }

  /** Listens to what the browser knows about the network and the page. */
  #listen() {
    const self: Partial<EventTarget> = globalThis // has no such methods on a server
    const page: Document | undefined = globalThis.document
    const wake = () => {
      if (page?.visibilityState !== 'hidden') this.revive()
    }
    const offline = () => this.#attempt && this.#lose(this.#attempt, 1006)
    const on = (target: Partial<EventTarget> | undefined, type: string, handler: () => void) => {
      target?.addEventListener?.(type, handler)
      return () => target?.removeEventListener?.(type, handler)
    }
    const ends = [
      on(self, 'online', wake),
      on(self, 'pageshow', wake),
      on(self, 'offline', offline),
      on(page, 'visibilitychange', wake),
      on(page, 'resume', wake),
    ]
    this.#unlisten = () => {
      for (const end of ends) end()
    }
  }
}
