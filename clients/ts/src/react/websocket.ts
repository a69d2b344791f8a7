import { useMemo } from 'react'
import type { AnyEvents, EventMap, Listener } from '../index.js'
import { useRowcast } from './context.js'
import { type Connection, type SubscriptionOptions, useConnection, useLatest, useSubscription } from './subscription.js'

export { RowcastProvider, type RowcastProviderProps, useRowcast } from './context.js'
export type { Connection } from './subscription.js'

export interface WebSocketOptions<E extends EventMap = AnyEvents> extends Listener<E>, SubscriptionOptions {}

/**
 * Joins the topics as long as the component is mounted. The callbacks are always those of the last render; a message is
 * never put into state, so it causes no render, and none is lost between two.
 */
export function useWebSocket<E extends EventMap = AnyEvents>(options: WebSocketOptions<E>): Connection {
  const client = useRowcast<E>()
  const latest = useLatest<Listener<E>>(options)
  const subscribe = useMemo(() => {
    const listener: Listener<E> = {
      onMessage: message => latest.current.onMessage?.(message),
      onEvent: (event, context) => latest.current.onEvent?.(event, context),
      onResync: resync => latest.current.onResync?.(resync),
      onJoined: joined => latest.current.onJoined?.(joined),
    }
    return (topics: readonly string[]) => client.subscribe(topics, listener)
  }, [client, latest])
  useSubscription(options, subscribe)
  return useConnection(client)
}
