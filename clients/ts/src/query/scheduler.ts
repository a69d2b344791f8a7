import type { InvalidateQueryFilters, MutationCache, Query, QueryCache, QueryClient } from '@tanstack/query-core'

/** While `when(query)` is true the query is not fetched, at most `maxMs` long. */
export interface Hold {
  when(query: Query): boolean
  readonly maxMs: number
}

export interface Terms {
  /** At least this long from one start of a query's fetch to the next. */
  windowMs: number
  /** The fetch may wait this much longer: a moment is picked at random, one for everything that waits. */
  spreadMs?: number
  /** Only queries that are being fetched right now. */
  onlyRunning?: boolean
}

export interface Scheduler {
  /** The scheduler lives while someone is attached, and until what it owes is paid. */
  attach(hold?: Hold): () => void
  /** Every matching query is owed a fetch that starts after now. Returns how many match. */
  owe(filters: InvalidateQueryFilters, terms: Terms): number
}

const ACTIVE = 1
const INACTIVE = 2
const KINDS = { none: 0, active: ACTIVE, inactive: INACTIVE, all: ACTIVE | INACTIVE }

/** A query of which an event told that its data may be old. */
interface Debt {
  /** The kinds of query, as bits, that are fetched; one of another kind is marked stale, and that is all. */
  kinds: number
  due: number
  /** A fetch that started after the event is running. */
  covered: boolean
  /** The application cancelled a fetch: it is about to show what the server does not know yet. */
  cancelled: boolean
  heldSince: number | undefined
}

/** How long a mutation may keep a query from being fetched, unless told otherwise. */
export const HOLD_MAX_MS = 5000

const schedulers = new WeakMap<QueryClient, Scheduler>()

/** One scheduler per QueryClient: two bindings with the same key cause one fetch. */
export function schedulerOf(queryClient: QueryClient): Scheduler {
  let scheduler = schedulers.get(queryClient)
  if (!scheduler) schedulers.set(queryClient, (scheduler = createScheduler(queryClient)))
  return scheduler
}

/**
 * Invariant: as long as a query has a debt, no fetch that started after the latest event about it has ended. The debt
 * begins with the event and ends with the end of such a fetch, whoever started it; or with the query itself; or, if the
 * query is one that nobody looks at, with the mark that makes it fetch when somebody does.
 */
function createScheduler(queryClient: QueryClient): Scheduler {
  const queries: QueryCache = queryClient.getQueryCache()
  const mutations: MutationCache = queryClient.getMutationCache()
  const debts = new Map<Query, Debt>()
  const startedAt = new WeakMap<Query, number>()
  const holds = new Set<Hold>()
  let attached = 0
  let stop: (() => void) | undefined
  let timer: ReturnType<typeof setTimeout> | undefined
  let queued = false
  let spreadUntil = 0

  function owe(filters: InvalidateQueryFilters, { windowMs, spreadMs = 0, onlyRunning = false }: Terms): number {
    const now = performance.now()
    const kinds = KINDS[filters.refetchType ?? filters.type ?? 'active']
    if (spreadMs > 0 && (spreadUntil <= now || spreadUntil > now + spreadMs)) {
      spreadUntil = now + Math.random() * spreadMs
    }
    const matching = queries.findAll(filters)
    for (const query of matching) {
      if (onlyRunning && !isRunning(query)) continue
      const earlier = debts.get(query)
      const waiting = earlier && !earlier.covered ? earlier : undefined
      const due = Math.max(spreadMs > 0 ? spreadUntil : now, (startedAt.get(query) ?? 0) + windowMs)
      debts.set(query, {
        kinds: kinds | (earlier?.kinds ?? 0),
        due: Math.min(due, waiting?.due ?? due),
        covered: false,
        cancelled: false,
        heldSince: waiting?.heldSince,
      })
    }
    paySoon()
    return matching.length
  }

  // A microtask: several rules, and several bindings that were given the same event, make one payment.
  function paySoon(): void {
    if (queued || !stop) return
    queued = true
    queueMicrotask(() => {
      queued = false
      pay()
    })
  }

  function pay(): void {
    const now = performance.now()
    const payable = new Set<Query>()
    let next = Number.POSITIVE_INFINITY
    for (const [query, debt] of debts) {
      if (debt.covered) continue
      // A fetch that succeeds resets the mark, so one that was running when the event came has to be followed by it.
      const running = isRunning(query)
      if (!running) query.invalidate()
      if (!(debt.kinds & (query.isActive() ? ACTIVE : INACTIVE))) {
        if (!running) debts.delete(query)
      } else if (!isHidden()) {
        const from = Math.max(debt.due, heldUntil(query, debt, now))
        if (from > now) next = Math.min(next, from)
        else payable.add(query)
      }
    }
    clearTimeout(timer)
    timer = next < Number.POSITIVE_INFINITY ? setTimeout(pay, next - now) : undefined
    if (payable.size > 0) refetch(payable)
    if (attached === 0 && debts.size === 0) stop?.()
  }

  function refetch(payable: Set<Query>): void {
    // Without cancelling, this leaves a query alone that is being fetched already: its debt is looked at again when
    // that fetch ends. Disabled and static queries are left alone, too; being marked is all they get.
    void queryClient.refetchQueries({ predicate: query => payable.has(query) }, { cancelRefetch: false })
    for (const query of payable) if (!isRunning(query)) debts.delete(query)
  }

  function heldUntil(query: Query, debt: Debt, now: number): number {
    const since = debt.heldSince ?? now
    let until = 0
    for (const { when, maxMs } of holds) if (since + maxMs > now && when(query)) until = Math.max(until, since + maxMs)
    if (debt.cancelled && queryClient.isMutating() > 0) until = Math.max(until, since + HOLD_MAX_MS)
    if (until > now) debt.heldSince = since
    return until
  }

  function start(): () => void {
    const offQueries = queries.subscribe(event => {
      const { query, type } = event
      if (type === 'removed') {
        debts.delete(query)
        paySoon()
      }
      if (type !== 'updated') return
      const { action } = event
      const debt = debts.get(query)
      if (action.type === 'fetch') {
        startedAt.set(query, performance.now())
        // One more page of an infinite query says nothing about the pages there are, and its success is no
        // confirmation of them; it may also have replaced a fetch that was one.
        if (debt) debt.covered = !action.meta?.fetchMore
      } else if (debt && !isRunning(query)) {
        if (debt.covered && action.type !== 'setState') debts.delete(query)
        else debt.covered = false
        debt.cancelled = action.type === 'setState'
        paySoon()
      }
    })
    const offMutations = mutations.subscribe(() => {
      if (debts.size > 0) paySoon()
    })
    const page = globalThis.document
    page?.addEventListener('visibilitychange', paySoon)
    return () => {
      offQueries()
      offMutations()
      page?.removeEventListener('visibilitychange', paySoon)
      clearTimeout(timer)
      stop = undefined
    }
  }

  return {
    attach(hold) {
      attached++
      if (hold) holds.add(hold)
      stop ??= start()
      let detached = false
      return () => {
        if (detached) return
        detached = true
        attached--
        if (hold) holds.delete(hold)
        paySoon()
      }
    },
    owe,
  }
}

const isRunning = (query: Query) => query.state.fetchStatus !== 'idle'
const isHidden = () => globalThis.document?.visibilityState === 'hidden'
