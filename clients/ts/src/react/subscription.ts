import { type RefObject, useEffect, useInsertionEffect, useRef, useSyncExternalStore } from 'react'
import type { Client, ConnectionState, Denial, EventMap } from '../index.js'

export interface SubscriptionOptions {
  /** An array made anew in each render is fine: topics are joined and left when the names change. */
  topics: readonly string[]
  /** False: joins nothing. */
  enabled?: boolean
}

interface State {
  connectionState: ConnectionState
  /** Topics that were refused, and why. */
  denied: Readonly<Record<string, Denial>>
  /** When the next attempt is made (ms since 1970), for a countdown; null when none is planned. */
  nextRetryAt: number | null
}

export interface Connection extends State {
  /** Connects at once. */
  retry: () => void
}

/** What the last render passed, for callbacks that outlive it. */
export function useLatest<T>(value: T): RefObject<T> {
  const latest = useRef(value)
  useInsertionEffect(() => {
    latest.current = value
  })
  return latest
}

/** Keeps `subscribe(topics)` in force. It has to be the same function until there is something else to subscribe to. */
export function useSubscription(
  { topics, enabled = true }: SubscriptionOptions,
  subscribe: (topics: readonly string[]) => () => void,
): void {
  const names = JSON.stringify([...topics].sort())
  useEffect(() => {
    if (!enabled) return
    // The client lets topics outlive their last listener a little: the new ones are joined before the old are left, and
    // StrictMode's double mount is one join.
    return subscribe(JSON.parse(names))
  }, [subscribe, names, enabled])
}

/** What a server renders, where nothing connects. */
const onServer: State = { connectionState: 'connecting', denied: {}, nextRetryAt: null }

export function useConnection<E extends EventMap>(client: Client<E>): Connection {
  return {
    connectionState: useField(client, 'connectionState'),
    denied: useField(client, 'denied'),
    nextRetryAt: useField(client, 'nextRetryAt'),
    retry: client.retry,
  }
}

function useField<K extends keyof State>(client: Pick<Client, K | 'onChange'>, name: K): State[K] {
  return useSyncExternalStore<State[K]>(
    client.onChange,
    () => client[name],
    () => onServer[name],
  )
}
