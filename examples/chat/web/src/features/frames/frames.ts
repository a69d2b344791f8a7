import { createStore } from '../../lib/store'
import { throttle } from '../../lib/throttle'
import type { UserId } from '../../user'
import type { Frame } from '../websocket/network'

export interface LoggedFrame extends Frame {
  n: number
  user: UserId
}

const KEEP = 200

let last = 0
let incoming: LoggedFrame[] = []
const log = createStore<readonly LoggedFrame[]>([])

// A burst must not be slowed down by its own log.
const show = throttle(() => {
  log.set([...log.get(), ...incoming].slice(-KEEP))
  incoming = []
}, 300)

/** The last frames of both users' sockets, as they crossed the wire. */
export const frames = {
  log,
  add(frame: Frame & { user: UserId }) {
    incoming = [...incoming.slice(1 - KEEP), { ...frame, n: ++last }]
    show()
  },
  clear() {
    incoming = []
    log.set([])
  },
}
