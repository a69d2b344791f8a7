// A client and a fake server on fake time. Without randomness delays are exact.

import { afterEach, beforeEach, vi } from 'vitest'
import { createClient } from '../src/index.js'
import { type FakeServerOptions, fakeServer } from '../src/testing.js'
import type { Client, ClientOptions, ConnectionState, Listener, WebSocketConstructor } from '../src/types.js'

/** What the client uses of a browser's window and document. */
class Target extends EventTarget {
  readonly heard = new Set<string>()
  visibilityState = 'visible'
  override addEventListener = (type: string, listener: EventListener, options?: AddEventListenerOptions) => {
    this.heard.add(type)
    options?.signal?.addEventListener('abort', () => this.heard.delete(type))
    super.addEventListener(type, listener, options)
  }
  dispatch(type: string) {
    this.dispatchEvent(new Event(type))
  }
}

export const window = new Target()
export const document = new Target()

const clients: Pick<Client, 'close'>[] = []

export function useFakeTime() {
  beforeEach(() => {
    vi.useFakeTimers()
    vi.stubGlobal('document', document)
    vi.stubGlobal('addEventListener', window.addEventListener)
  })
  afterEach(() => {
    for (const client of clients.splice(0)) client.close()
    vi.unstubAllGlobals()
    vi.useRealTimers()
  })
}

/** Lets everything happen that needs no time, or so many milliseconds of it. */
export const pass = (ms = 0) => vi.advanceTimersByTimeAsync(ms)

interface WorldOptions extends ClientOptions {
  server?: FakeServerOptions
  /** Puts something between the client and the server's sockets. */
  between?: (WebSocket: WebSocketConstructor) => WebSocketConstructor
}

export function world(options: WorldOptions = {}) {
  const { server: serverOptions, between = WebSocket => WebSocket, ...clientOptions } = options
  const server = fakeServer(serverOptions)
  const warnings: string[] = []
  const client = createClient({
    url: 'ws://test/ws',
    WebSocket: between(server.WebSocket),
    random: () => 0,
    warn: message => warnings.push(message),
    ...clientOptions,
  })
  clients.push(client)
  const states: ConnectionState[] = [client.connectionState]
  client.onChange(() => {
    if (client.connectionState !== states.at(-1)) states.push(client.connectionState)
  })
  return { server, client, warnings, states }
}

/** A listener that writes down what it is told. */
export function recorder() {
  const told: string[] = []
  const listener: Listener = {
    onEvent: e => told.push(`${e.type} ${e.id}`),
    onResync: r => told.push(`resync ${r.topics} ${r.reason}`),
    onJoined: topics => told.push(`joined ${topics}`),
  }
  return { told, listener }
}
