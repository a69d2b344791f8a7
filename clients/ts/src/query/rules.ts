import type { InvalidateQueryFilters, Query, QueryClient, QueryKey } from '@tanstack/query-core'
import type { AnyEvents, EventContext, EventMap, Resync, RowcastEvent } from '../index.js'

/** What to fetch again: the queries whose key begins so, those that a filter finds, several such, or nothing. */
export type Target = QueryKey | InvalidateQueryFilters | Many | null | undefined

export interface Many {
  readonly many: readonly Target[]
}

/** Several targets: `many(['projects'], { queryKey: ['project', id], exact: true })`. */
export const many = (...targets: Target[]): Many => ({ many: targets })

// A map with names of all kinds has events of all kinds: TypeScript would take the name that is written for the type.
type EventFor<E extends EventMap, K extends keyof E & string> = RowcastEvent<string extends keyof E ? string : K, E[K]>

/** Event type → what to fetch again. An event whose type is not in the map fetches nothing. */
export type InvalidateRules<E extends EventMap = AnyEvents> = {
  readonly [K in keyof E & string]?: Target | ((event: EventFor<E, K>, context: EventContext) => Target)
}

/** Event type → a function that puts the event into the cache itself. If it returns true, nothing is fetched. */
export type PatchRules<E extends EventMap = AnyEvents> = {
  readonly [K in keyof E & string]?: (event: EventFor<E, K>, queryClient: QueryClient, context: EventContext) => unknown
}

/** Event type → what else is to be done, a toast for one. */
export type EventHandlers<E extends EventMap = AnyEvents> = {
  readonly [K in keyof E & string]?: (event: EventFor<E, K>, context: EventContext) => void
}

export interface QueryRules<E extends EventMap = AnyEvents> {
  invalidate?: InvalidateRules<E>
  patch?: PatchRules<E>
  onEvent?: EventHandlers<E>
  /** What to fetch again when events may have been missed. Default `all`: every query that is in use. */
  onResync?: 'all' | 'none' | ((resync: Resync) => Target)
  /** A query's fetches start at least this far apart; the first event's starts at once. Default 100. */
  windowMs?: number
  /** While it returns true the query is not fetched. It is asked again whenever a mutation changes. */
  holdWhile?: (query: Query) => boolean
  /** But no longer than this. Default 5000. */
  holdMaxMs?: number
  /** Where a rule that can never match is complained about. Default in development: `console.warn`. */
  warn?: (message: string) => void
}

export function filtersOf(target: Target): InvalidateQueryFilters[] {
  if (!target) return []
  if (isKey(target)) return [{ queryKey: target }]
  return 'many' in target ? target.many.flatMap(filtersOf) : [target]
}

// Array.isArray does not know readonly arrays.
const isKey = (target: object): target is QueryKey => Array.isArray(target)
