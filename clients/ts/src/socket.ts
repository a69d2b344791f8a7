// The life of the socket: connect, stay, come back, give up, be revived. What is
// said on it is the business of topics.ts.

import { decode, type Frame, type Request, verdict, type Welcome } from './protocol.js'
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
  welcome(frame: Welcome): void
  frame(frame: Frame, data: string): void
  /** The connection is gone. Called before `change`, and also when there never was a `$welcome`. */
  lost(): void
  /** The token is null: what was joined was joined by somebody else. */
  signedOut(): void
  /** `state` or `nextRetryAt` is another. */
  change(): void
  bad(data: unknown): void
}

export interface Socket {
  readonly state: ConnectionState
  readonly nextRetryAt: number | null
  /** Connects, unless it already tries to. */
  start(): void
  /** Connects at once, with all attempts before it. A living connection is asked whether it lives. */
  revive(): void
  /** Closes for good: only `start` or `revive` open again. */
  stop(state: ConnectionState): void
  /** Sends on the connection. There is one from `welcome` to `lost`. */
  send(request: Request): void
}

/** One try, and the connection it becomes. Whatever comes from another one than the current is ignored. */
interface Attempt {
  ws?: WebSocketLike
  /** When it has lived long enough to be called good. */
  goodAt: number
  /** `$bye`: come back after so long, or (null) never. */
  bye?: number | null
}

export function createSocket(settings: Settings, owner: SocketOwner): Socket {
  const { url, token: askToken, backoff: b, warn, random, now } = settings

  let state: ConnectionState = 'connecting'
  let nextRetryAt: number | null = null
  let listening: AbortController | undefined // none: nobody wants it, or it was closed or refused, and nothing revives it
  let current: Attempt | undefined
  let failures = 0
  let askedAgain = false // for a token, after a 4401; a second one is final
  let heartbeatMs = HEARTBEAT_MS
  let timer: ReturnType<typeof setTimeout> // the next attempt, the end of this one, or the watchdog

  function after(ms: number, then: () => void) {
    clearTimeout(timer)
    timer = setTimeout(then, ms)
  }

  function send(request: Request) {
    current?.ws?.send(JSON.stringify(request))
  }

  async function open() {
    const attempt: Attempt = { goodAt: Infinity }
    current = attempt
    nextRetryAt = null
    after(CONNECT_MS, () => lose(attempt))
    try {
      const token = await askToken?.()
      const address = new URL(typeof url === 'function' ? await url() : url, globalThis.location?.href)
      if (current !== attempt) return
      if (askToken && !token) return signOut()
      const WebSocket: WebSocketConstructor = settings.WebSocket ?? globalThis.WebSocket
      const ws = new WebSocket(address.href.replace(/^http/, 'ws'), 'rowcast.v1')
      attempt.ws = ws
      ws.onopen = () => {
        if (current === attempt && token) send({ type: 'auth', token })
      }
      ws.onmessage = ({ data }) => receive(attempt, data)
      ws.onclose = ({ code }) => lose(attempt, code)
    } catch (error) {
      warn('cannot connect', error)
      lose(attempt)
    }
  }

  function receive(attempt: Attempt, data: unknown) {
    if (current !== attempt) return
    const welcomed = state === 'connected'
    if (welcomed) watch()
    const frame = decode(data)
    switch (frame?.kind) {
      case undefined:
        return owner.bad(data)
      case '$welcome':
        if (welcomed) return
        attempt.goodAt = now() + b.stableMs
        heartbeatMs = frame.heartbeatMs ?? HEARTBEAT_MS
        state = 'connected'
        watch()
        owner.welcome(frame)
        return owner.change()
      case '$bye':
        attempt.bye = frame.reconnect ? frame.retryAfterMs : null
        return
      case '$token_expiring':
        renew(attempt)
        return
      default:
        owner.frame(frame as Frame, data as string)
    }
  }

  async function renew(attempt: Attempt) {
    try {
      const token = await askToken?.()
      if (current !== attempt || token === undefined) return
      if (token) send({ type: 'auth', token })
      else signOut()
    } catch (error) {
      warn('no new token', error) // 4401 will come and ask once more
    }
  }

  function signOut() {
    owner.signedOut()
    stop('disconnected')
  }

  function lose(attempt: Attempt, code = 1006) {
    if (current !== attempt) return
    if (now() >= attempt.goodAt) {
      failures = 0
      askedAgain = false
    }
    const { bye } = attempt
    const fate = bye === null ? 'never' : verdict(code)
    if (fate === 'never' || (fate === 'token' && (!askToken || askedAgain))) return stop('disconnected')
    if (fate === 'token') {
      askedAgain = true
      end(state === 'connected' ? 'reconnecting' : state, 0)
    } else if (failures < b.attempts) {
      const wait = backoff(settings, failures)
      end('reconnecting', failures++ ? wait : Math.min(bye ?? wait, b.probeMs[1])) // once, or a daemon could make us hurry
    } else end('disconnected', b.probeMs[0] + (b.probeMs[1] - b.probeMs[0]) * random())
  }

  function stop(as: ConnectionState) {
    listening?.abort()
    listening = undefined
    end(as)
  }

  /** Ends what there is and plans what comes next. All is settled before anyone is told: they may call back. */
  function end(as: ConnectionState, delay?: number) {
    const ws = current?.ws
    current = undefined
    state = as
    clearTimeout(timer)
    nextRetryAt = null
    if (delay !== undefined) {
      nextRetryAt = Date.now() + delay
      after(delay, () => {
        open()
        owner.change()
      })
    }
    ws?.close()
    owner.lost()
    owner.change()
  }

  /** No frame for a heartbeat and twice the grace: the connection is dead. */
  function watch() {
    after(heartbeatMs + GRACE_MS, ask)
  }

  /**
   * Asks the server for a sign of life. The watchdog does not trust its own clock: in a page that was frozen it
   * rings late, with frames waiting behind it.
   */
  function ask() {
    const attempt = current
    send({ type: 'ping' })
    after(GRACE_MS, () => attempt && lose(attempt))
  }

  function revive() {
    failures = 0
    askedAgain = false
    if (current) {
      if (state === 'connected') ask()
      return
    }
    state = listening ? 'reconnecting' : 'connecting'
    if (!listening) listen()
    open()
    owner.change()
  }

  /** Listens to what the browser knows about the network and the page. A server has neither. */
  function listen() {
    listening = new AbortController()
    const { signal } = listening
    const page: Document | undefined = globalThis.document
    const on = (target: Partial<EventTarget> | undefined, type: string, handler: () => void) =>
      target?.addEventListener?.(type, handler, { signal })
    const wake = () => {
      if (page?.visibilityState !== 'hidden') revive()
    }
    on(globalThis, 'online', wake)
    on(globalThis, 'pageshow', wake)
    on(globalThis, 'offline', () => current && lose(current))
    on(page, 'visibilitychange', wake)
    on(page, 'resume', wake)
  }

  return {
    get state() {
      return state
    },
    get nextRetryAt() {
      return nextRetryAt
    },
    start() {
      if (!listening) revive()
    },
    revive,
    stop,
    send,
  }
}
