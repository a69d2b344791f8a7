import { useQueryClient } from '@tanstack/react-query'
import { useCallback, useSyncExternalStore } from 'react'

/** Where the beginning of a key is not the tab's id. Another topic's messages have a dot of their own. */
const TABS: Record<string, string> = { project: 'projects', dashboard: 'counts' }

/** The tabs with a query that nobody looks at and that an event made stale, one after the other. */
export function useStaleTabs(): string {
  const cache = useQueryClient().getQueryCache()
  const subscribe = useCallback((listener: () => void) => cache.subscribe(listener), [cache])
  return useSyncExternalStore(subscribe, () => {
    const queries = cache.findAll({ type: 'inactive', predicate: q => q.state.isInvalidated })
    return queries.map(({ queryKey: [first] }) => TABS[String(first)] ?? first).join()
  })
}
