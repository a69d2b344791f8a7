import type { WebSocketConstructor } from 'rowcast'
import { now } from '../../lib/now'
import { createStore, type Store } from '../../lib/store'

export interface Frame {
  at: number // ms since the epoch, with fractions
  sent: boolean
  data: string
}

/** One user's line to the daemon. The lab can cut it, and refuse new calls. */
export interface Network {
  /** For createClient: sockets of this line, and where they call. */
  WebSocket: WebSocketConstructor
  url(): string
  /** When calls are answered again, ms since the epoch; null when they are. */
  refusedUntil: Store<number | null>
  /** Arrival of the frame that is being handled. */
  lastArrival(): number
  /** When the present socket opened: what is older was replayed. */
  openedAt(): number
  drop(): void
  offline(ms: number): void
}

export function createNetwork(tap: (frame: Frame) => void): Network {
  const open = new Set<WebSocket>()
  const refusedUntil = createStore<number | null>(null)
  let lastArrival = 0
  let openedAt = 0

  class Line extends WebSocket {
    constructor(url: string | URL, protocols?: string | string[]) {
      super(url, protocols)
      open.add(this)
      this.addEventListener('open', () => {
        openedAt = now()
      })
      this.addEventListener('close', () => open.delete(this))
      this.addEventListener('message', (m: MessageEvent<unknown>) => {
        lastArrival = now()
        if (typeof m.data === 'string') tap({ at: lastArrival, sent: false, data: m.data })
      })
    }

    override send(data: Parameters<WebSocket['send']>[0]) {
      // What is on the screen may be in a picture.
      if (typeof data === 'string') tap({ at: now(), sent: true, data: data.replace(/("token":")[^"]+/, '$1…') })
      super.send(data)
    }
  }

  function drop() {
    for (const socket of open) socket.close(4000, 'dropped by the page')
  }

  return {
    WebSocket: Line,
    url() {
      if (refusedUntil.get() !== null) throw new Error('no network')
      return '/ws'
    },
    refusedUntil,
    lastArrival: () => lastArrival,
    openedAt: () => openedAt,
    drop,
    offline(ms) {
      if (refusedUntil.get() !== null) return
      refusedUntil.set(Date.now() + ms)
      setTimeout(() => refusedUntil.set(null), ms)
      drop()
    },
  }
}
