import type { Events } from '../../rowcast'
import { useUser } from '../../user'
import { useWebSocket } from '../websocket/hooks/useWebSocket'

/** Tells of others' analyses. Whoever pressed the button knows already. */
export function useRunToasts(onOpen: (runId: string) => void) {
  const { toasts } = useUser()
  useWebSocket<Events>({
    topics: ['analysis'],
    onEvent: (event, { own }) => {
      if (own) return
      switch (event.type) {
        case 'analysis_started': {
          const id = event.payload.run_id
          return toasts.add({
            kind: 'plain',
            text: `Analysis ${id} started`,
            action: { label: 'Watch', run: () => onOpen(id) },
          })
        }
        case 'analysis_completed': {
          const id = event.payload.run_id
          return toasts.add({
            kind: 'done',
            text: `Analysis ${id} completed`,
            action: { label: 'Open', run: () => onOpen(id) },
          })
        }
        case 'analysis_failed':
          return toasts.add({ kind: 'failed', text: `Analysis ${event.payload.run_id} failed: ${event.payload.error}` })
      }
    },
  })
}
