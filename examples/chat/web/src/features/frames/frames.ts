import { throttle } from '../../lib/throttle'
import type { UserId } from '../../user'
import type { Frame } from '../websocket/network'

export interface LoggedFrame extends Frame {
  n: number
  user: UserId
}

const KEEP = 200

let last = 0
let kept: readonly LoggedFrame[] = []
let incoming: LoggedFrame[] = []
const listeners = new Set<() => void>()

// A burst must not be slowed down by its own log.
const show = throttle(() => {
  kept = [...kept, ...incoming].slice(-KEEP)
  incoming = []
  for (const listener of listeners) listener()
}, 300)

/** The last frames of both users' sockets, as they crossed the wire. */
export const frames = {
  add(frame: Frame & { user: UserId }) {
    incoming.push({ ...frame, n: ++last })
    if (incoming.length > 2 * KEEP) incoming = incoming.slice(-KEEP)
    show()
  },
  clear() {
    kept = []
    incoming = []
    show()
  },
  get: () => kept,
  subscribe(listener: () => void) {
    listeners.add(listener)
    return () => void listeners.delete(listener)
  },
}
