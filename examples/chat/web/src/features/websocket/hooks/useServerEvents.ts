import { useQueryClient } from '@tanstack/react-query'
import { useQueryInvalidation } from 'rowcast/react'
import { useStore } from '../../../lib/store'
import type { Events } from '../../../rowcast'
import { useUser } from '../../../user'
import { heldByWrites } from '../../messages/queries'
import { EVENT_QUERY_MAP } from '../eventQueryMap'
import { invalidateNaively } from '../naive'
import { useWebSocket } from './useWebSocket'

/** Keeps one user's queries right, in one of two ways. */
export function useServerEvents(topics: string[]) {
  const naive = useStore(useUser().naive)
  const queryClient = useQueryClient()

  const connection = useQueryInvalidation<Events>({
    topics,
    invalidate: EVENT_QUERY_MAP,
    holdWhile: heldByWrites(queryClient),
    enabled: !naive,
  })
  useWebSocket<Events>({
    topics,
    onEvent: (event, context) => invalidateNaively(queryClient, event, context),
    enabled: naive,
  })
  return connection
}
