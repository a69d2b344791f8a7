import type { QueryClient, QueryKey } from '@tanstack/react-query'
import type { EventContext, EventOf } from 'rowcast'
import type { Target } from 'rowcast/query'
import type { Events } from '../../rowcast'
import { EVENT_QUERY_MAP } from './eventQueryMap'

type Rule = Target | ((event: EventOf<Events>, context: EventContext) => Target)

/**
 * What one writes first: the same map, and an invalidateQueries for each event.
 * Each aborts the refetch before it, and the server has to answer them all.
 */
export function invalidateNaively(queryClient: QueryClient, event: EventOf<Events>, context: EventContext) {
  const rule = EVENT_QUERY_MAP[event.type] as Rule // the type of the event picked it
  invalidate(queryClient, typeof rule === 'function' ? rule(event, context) : rule)
}

function invalidate(queryClient: QueryClient, target: Target) {
  if (!target) return
  if (isKey(target)) void queryClient.invalidateQueries({ queryKey: target })
  else if ('many' in target) for (const one of target.many) invalidate(queryClient, one)
  else void queryClient.invalidateQueries(target)
}

const isKey = (target: object): target is QueryKey => Array.isArray(target)
