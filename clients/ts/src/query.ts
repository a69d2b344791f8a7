import type { QueryClient } from '@tanstack/query-core'
import type { AnyEvents, Client, EventMap } from './index.js'
import { binding } from './query/bind.js'
import type { QueryRules } from './query/rules.js'

export type { EventHandlers, InvalidateRules, Many, PatchRules, QueryRules, Target } from './query/rules.js'
export { many } from './query/rules.js'

export interface BindOptions<E extends EventMap = AnyEvents> extends QueryRules<E> {
  topics: readonly string[]
}

/**
 * Joins the topics, and refetches what the rules say when events arrive: at once, never two fetches of a query at a
 * time, and always one that started after the last event. Returns the end of it; what is owed by then is still fetched.
 */
export function bindQueries<E extends EventMap = AnyEvents>(
  client: Client<E>,
  queryClient: QueryClient,
  options: BindOptions<E>,
): () => void {
  return binding(client, queryClient, () => options)(options.topics)
}
