import type { QueryClient } from '@tanstack/query-core'
import type { AnyEvents, Client, EventMap } from '../index.js'
import { inDevelopment } from '../settings.js'
import { filtersOf, type QueryRules, type Target } from './rules.js'
import { holdMaxMs, schedulerOf, type Terms } from './scheduler.js'
import { warnOfKey } from './warn.js'

/** Joins the topics and does to the queries what the rules say, which are read anew for each event. */
export function bind<E extends EventMap = AnyEvents>(
  client: Client<E>,
  queryClient: QueryClient,
  topics: readonly string[],
  rules: () => QueryRules<E>,
): () => void {
  const scheduler = schedulerOf(queryClient)

  function fetchAgain(target: Target, terms?: Partial<Terms>): void {
    const { windowMs = 100, warn } = rules()
    for (const filters of filtersOf(target)) {
      const matching = scheduler.owe(filters, { windowMs, ...terms })
      if (matching === 0 && filters.queryKey && inDevelopment()) warnOfKey(queryClient, filters.queryKey, warn)
    }
  }

  const detach = scheduler.attach({
    when: query => rules().holdWhile?.(query) ?? false,
    get maxMs() {
      return rules().holdMaxMs ?? holdMaxMs
    },
  })
  const leave = client.subscribe(topics, {
    onEvent(event, context) {
      const { invalidate, patch, onEvent } = rules()
      const rule = of(invalidate, event)
      let patched = false
      try {
        patched = of(patch, event)?.(event, queryClient, context) === true
      } finally {
        try {
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
  })
  return () => {
    leave()
    detach()
  }
}

/** An event's type may be `constructor`. */
function of<M extends object>(map: M | undefined, event: { type: string }) {
  return map && Object.hasOwn(map, event.type) ? map[event.type as keyof M] : undefined
}
