import { type RefObject, useCallback, useEffect, useInsertionEffect, useRef, useSyncExternalStore } from 'react'
import type { Client, ConnectionState, Denial, EventMap } from '../index.js'

export interface SubscriptionOptions {
  /** An array made anew in each render is fine: topics are joined and left when the names change. */
  topics: readonly string[]
  /** False: joins nothing. */
  enabled?: boolean
}

export interface Connection {
  connectionState: ConnectionState
  /** Connects at once. */
  retry: () => void
  /** Topics that were refused, and why. */
  denied: Readonly<Record<string, Denial>>
  /** When the next attempt is made (ms since 1970), for a countdown; null when none is planned. */
  nextRetryAt: number | null
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
  const names = JSON.stringify([...new Set(topics)].sort())
  useEffect(() => {
    if (!enabled) return
    const leave = subscribe(JSON.parse(names))
    // After the effect that may follow has joined: the new topics before the old are left, and one join, not two, when
    // StrictMode mounts twice.
    return () => queueMicrotask(leave)
  }, [subscribe, names, enabled])
}

const noDenials = {}
const none = () => null

export function useConnection<E extends EventMap>(client: Client<E>): Connection {
  const onChange = useCallback((callback: () => void) => client.onChange(callback), [client])
  return {
    connectionState: useSyncExternalStore(
      onChange,
      () => client.connectionState,
      () => 'connecting',
    ),
    retry: useCallback(() => client.retry(), [client]),
    denied: useSyncExternalStore(
      onChange,
      () => client.denied,
      () => noDenials,
    ),
    nextRetryAt: useSyncExternalStore(onChange, () => client.nextRetryAt, none),
  }
}
