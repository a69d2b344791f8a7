import { useCallback, useState } from 'react'
import type { Events } from '../../rowcast'
import { useWebSocket } from '../websocket/hooks/useWebSocket'

/** The topics in which others wrote while this user looked at another one. */
export function useUnread(open: string, topics: string[]) {
  const [unread, setUnread] = useState<ReadonlySet<string>>(new Set())
  const read = useCallback(
    (topicId: string) => setUnread(topics => new Set([...topics].filter(id => id !== topicId))),
    [],
  )

  useWebSocket<Events>({
    topics,
    onEvent: (event, { own }) => {
      if (event.type !== 'message_created' || own) return
      const topicId = event.payload.topic_id
      if (topicId !== open) setUnread(topics => (topics.has(topicId) ? topics : new Set([...topics, topicId])))
    },
  })
  return { unread, read }
}
