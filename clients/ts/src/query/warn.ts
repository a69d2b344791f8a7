import type { QueryClient, QueryKey } from '@tanstack/query-core'

/**
 * In development: a key that no query has, but one has with a number where the key has the same digits as a string, or
 * the reverse. Ids in events are strings, and `['project', 7]` is never `['project', '7']`.
 */
export function warnOfKey(queryClient: QueryClient, key: QueryKey, warn = console.warn): void {
  const queries = queryClient.getQueryCache()
  if (queries.findAll({ queryKey: key }).length > 0) return
  const alike = queries.getAll().find(({ queryKey }) => key.every((part, i) => text(part) === text(queryKey[i])))
  if (!alike) return
  const [wanted, existing] = [JSON.stringify(key), JSON.stringify(alike.queryKey)]
  warn(`rowcast: no query has the key ${wanted}, but there is ${existing}: a number is not a string`)
}

const text = (part: unknown) => JSON.stringify(part, (_, value) => (typeof value === 'number' ? String(value) : value))
