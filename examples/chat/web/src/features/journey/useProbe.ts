import { epochMs } from '../../lib/now'
import type { Events } from '../../rowcast'
import { useUser } from '../../user'
import { addLatency } from '../latency/latency'
import { useWebSocket } from '../websocket/hooks/useWebSocket'
import { journey } from './journey'

/** Measures what arrives for this user, and is no part of what the page does. */
export function useProbe(topics: string[]) {
  const { id, network } = useUser()
  useWebSocket<Events>({
    topics,
    onEvent: (event, { own }) => {
      const at = epochMs(event.at)
      if (at < network.openedAt()) return // replayed: it says how long we were away
      const arrivedAt = network.lastArrival()
      addLatency(Math.max(0, arrivedAt - at))
      journey.arrived(id, event, arrivedAt, own)
    },
  })
}
