import type { Events } from '../../rowcast'
import { useUser } from '../../user'
import { useWebSocket } from '../websocket/hooks/useWebSocket'

/** Tells of others' analyses. Whoever pressed the button knows already. */
export function useRunToasts(onOpen: (runId: string) => void) {
  const { toasts } = useUser()
  useWebSocket<Events>({
    topics: ['analysis'],
    onEvent: (event, { own }) => {
      if (own || !('run_id' in event.payload)) return
      const { run_id: id } = event.payload
      const run = () => onOpen(id)
      switch (event.type) {
        case 'analysis_started':
          return toasts.add({ kind: 'plain', text: `Analysis ${id} started`, action: { label: 'Watch', run } })
        case 'analysis_completed':
          return toasts.add({ kind: 'done', text: `Analysis ${id} completed`, action: { label: 'Open', run } })
        case 'analysis_failed':
          return toasts.add({ kind: 'failed', text: `Analysis ${id} failed: ${event.payload.error}` })
      }
    },
  })
}
