import type { QueryClient } from '@tanstack/query-core'
import type { Client, EventMap, Listener } from '../index.js'
import { inDevelopment } from '../settings.js'
import { filtersOf, type QueryRules, type Target } from './rules.js'
import { defaultHoldMs, schedulerOf, type Terms } from './scheduler.js'
import { warnOfKey } from './warn.js'

/**
 * What joins topics, and does to the queries what the rules say: those that `rules` returns at the time of an event.
 * Joined again with other topics it is the same listener, which is not told twice what it knows.
 */
export function binding<E extends EventMap>(
  client: Client<E>,
  queryClient: QueryClient,
  rules: () => QueryRules<E>,
): (topics: readonly string[]) => () => void {
  const scheduler = schedulerOf(queryClient)

  function fetchAgain(target: Target, terms: Partial<Terms>): void {
    const { windowMs = 100, warn } = rules()
    for (const filters of filtersOf(target)) {
      scheduler.owe(filters, { windowMs, ...terms })
      if (filters.queryKey && inDevelopment()) warnOfKey(queryClient, filters.queryKey, warn)
    }
  }

  const listener: Listener<E> = {
    onEvent(event, context) {
      const { invalidate, patch, onEvent } = rules()
      let patched = false
      try {
        patched = of(patch, event)?.(event, queryClient, context) === true
      } finally {
        try {
          const rule = of(invalidate, event)
          // The answer to a fetch that is running may be older than the event, and would undo the patch.
          fetchAgain(typeof rule === 'function' ? rule(event, context) : rule, { onlyRunning: patched })
        } finally {
          of(onEvent, event)?.(event, context)
        }
      }
    },
    onResync(resync) {
      const { onResync = 'all' } = rules()
      if (onResync === 'none') return
      fetchAgain(onResync === 'all' ? {} : onResync(resync), { spreadMs: resync.spreadMs })
    },
  }

  return topics => {
    const detach = scheduler.attach(query => {
      const { holdWhile, holdMaxMs = defaultHoldMs } = rules()
      try {
        return holdWhile?.(query) ? holdMaxMs : 0
      } catch (error) {
        console.error(error)
        return 0
      }
    })
    const leave = client.subscribe(topics, listener)
    return () => {
      leave()
      detach()
    }
  }
}

/** What the map has for the event's type, which may be `constructor`. */
function of<M extends object>(map: M | undefined, event: { type: string }): M[keyof M] | undefined {
  return map && Object.hasOwn(map, event.type) ? map[event.type as keyof M] : undefined
}
