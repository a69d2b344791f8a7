import { type QueryClient, useQueryClient } from '@tanstack/react-query'
import { useMemo } from 'react'
import type { AnyEvents, EventMap } from '../index.js'
import { binding } from '../query/bind.js'
import type { QueryRules } from '../query/rules.js'
import { useRowcast } from './context.js'
import { type Connection, type SubscriptionOptions, useConnection, useLatest, useSubscription } from './subscription.js'

export type { EventHandlers, InvalidateRules, Many, PatchRules, QueryRules, Target } from '../query/rules.js'
export { many } from '../query/rules.js'

export interface QueryInvalidationOptions<E extends EventMap = AnyEvents> extends QueryRules<E>, SubscriptionOptions {
  /** Default: the one of the nearest `QueryClientProvider`. */
  queryClient?: QueryClient
}

/**
 * Joins the topics as long as the component is mounted, and refetches what the rules say when events arrive. The rules
 * are always those of the last render.
 *
 * A component that suspends joins only when it is shown: above its Suspense boundary the hook joins before the fetch.
 */
export function useQueryInvalidation<E extends EventMap = AnyEvents>(options: QueryInvalidationOptions<E>): Connection {
  const client = useRowcast<E>()
  const queryClient = useQueryClient(options.queryClient)
  const latest = useLatest<QueryRules<E>>(options)
  const subscribe = useMemo(() => binding(client, queryClient, () => latest.current), [client, queryClient, latest])
  useSubscription(options, subscribe)
  return useConnection(client)
}
