// One who sees every frame and knows the protocol: what a client asks for on its
// next connection follows from what it was sent on those before. Written from
// docs/protocol.md, so that it shares no mistake with the client.

import { expect } from 'vitest'
import type { FakeRequest } from '../src/testing.js'
import type { WebSocketConstructor } from '../src/types.js'

const LOOKBACK_MS = 2000
const LINGER_MS = 250

interface Line {
  joined: Set<string>
  /** The newest cursor, but for those that came while a join was open. */
  cursor?: string
  open?: { ref: number; left: Set<string> }
}

/** A topic that somebody listens to, or did a moment ago. */
interface Wish {
  users: number
  since: number
  cursor?: string
  /** The user may have signed out meanwhile: then the cursor is forgotten. */
  stale?: boolean
}

export function bystander(WebSocket: WebSocketConstructor) {
  const wishes = new Map<string, Wish>()
  let line: Line | undefined

  function asked(line: Line, { ref = 0, topics = [], since, lookback_ms }: FakeRequest) {
    expect(line.open, 'one join at a time').toBeUndefined()
    line.open = { ref, left: new Set() }
    expect(new Set(topics).size, 'each topic once').toBe(topics.length)
    const wanted = topics.map(topic => wishes.get(topic))
    expect(wanted, 'only what somebody wants').not.toContain(undefined)
    for (const wish of wanted) {
      const expected = wish?.stale && since === undefined ? undefined : wish?.cursor
      expect(since, `since, for ${topics}`).toBe(expected)
    }
    const oldest = Math.min(...wanted.map(wish => wish?.since ?? 0))
    expect(lookback_ms, `lookback, for ${topics}`).toBe(
      since === undefined ? Date.now() - oldest + LOOKBACK_MS : undefined,
    )
  }

  function answered(line: Line, topics: string[], cursor: string) {
    for (const topic of topics) {
      if (line.open?.left.has(topic)) continue
      line.joined.add(topic)
      const wish = wishes.get(topic)
      if (wish) wish.cursor = wish.stale = undefined
    }
    line.open = undefined
    line.cursor = cursor
  }

  function heard(line: Line, data: string) {
    const { type, ref, payload, cursor = payload.cursor } = JSON.parse(data)
    if (type === '$joined' && ref === line.open?.ref) answered(line, payload.topics, cursor)
    else if (type === '$error' && ref === line.open?.ref) line.open = undefined
    else if (!line.open && (type[0] !== '$' || type === '$ping')) line.cursor = cursor
  }

  function ended(line: Line) {
    for (const topic of line.joined) {
      const wish = wishes.get(topic)
      if (wish) wish.cursor = line.cursor
    }
    line.joined.clear()
  }

  class Watched extends WebSocket {
    readonly #line: Line = { joined: new Set() }
    #handler: ((message: { data: unknown }) => void) | null = null

    constructor(url: string, protocols?: string | string[]) {
      super(url, protocols)
      line = this.#line
      Object.defineProperty(this, 'onmessage', {
        get: () => (message: { data: string }) => {
          if (line === this.#line) heard(this.#line, message.data)
          this.#handler?.(message)
        },
        set: handler => {
          this.#handler = handler
        },
      })
    }

    override send(data: string) {
      const frame = JSON.parse(data)
      if (frame.type === 'join') asked(this.#line, frame)
      if (frame.type === 'leave') {
        for (const topic of frame.topics) {
          this.#line.joined.delete(topic)
          this.#line.open?.left.add(topic)
        }
      }
      super.send(data)
    }

    override close(code?: number) {
      if (line === this.#line) {
        ended(this.#line)
        line = undefined
      }
      super.close(code)
    }
  }

  return {
    WebSocket: Watched as WebSocketConstructor,
    isJoined: (topic: string) => line?.joined.has(topic) === true,
    /** Before a listener is added. */
    wanted(topics: string[]) {
      for (const topic of topics) {
        const wish = wishes.get(topic) ?? { users: 0, since: Date.now() }
        wish.users++
        wishes.set(topic, wish)
      }
    },
    /** After a listener has ended. */
    unwanted(topics: string[]) {
      setTimeout(() => {
        for (const topic of topics) {
          const wish = wishes.get(topic)
          if (wish && !--wish.users) wishes.delete(topic)
        }
      }, LINGER_MS)
    },
    signedOut() {
      for (const wish of wishes.values()) wish.stale = true
    },
  }
}
