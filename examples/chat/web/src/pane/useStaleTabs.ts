import { type QueryKey, useQueryClient } from '@tanstack/react-query'
import { useCallback, useMemo, useSyncExternalStore } from 'react'

/** By the beginning of the key. */
const TABS: Record<string, string> = {
  projects: 'projects',
  project: 'projects',
  proposals: 'proposals',
  analysis: 'analysis',
  knowledge: 'knowledge',
  dashboard: 'counts',
}

const tabOf = (key: QueryKey) => TABS[String(key[0])] ?? 'chat'

/** The tabs with a query that nobody looks at and that an event made stale. */
export function useStaleTabs(): ReadonlySet<string> {
  const cache = useQueryClient().getQueryCache()
  const subscribe = useCallback((listener: () => void) => cache.subscribe(listener), [cache])
  const stale = useSyncExternalStore(subscribe, () => {
    const queries = cache.findAll({ type: 'inactive', predicate: q => q.state.isInvalidated })
    return [...new Set(queries.map(q => tabOf(q.queryKey)))].sort().join()
  })
  // Another topic's messages have a dot of their own.
  return useMemo(() => new Set(stale.split(',').filter(tab => tab !== 'chat')), [stale])
}
