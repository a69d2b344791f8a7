import type { InvalidateQueryFilters, Query, QueryClient } from '@tanstack/query-core'

/** How long at most the query is not to be fetched, as things are. 0: it may be. */
export type Hold = (query: Query) => number

export interface Terms {
  /** At least this long from one start of a query's fetch to the next. */
  windowMs: number
  /** The fetch comes within so long, at this page's own moment of it: not all pages are to come at once. */
  spreadMs?: number
  /** Only queries that are being fetched right now. */
  onlyRunning?: boolean
}

export interface Scheduler {
  /** It is at work while someone is attached, and until every debt is paid. */
  attach(hold: Hold): () => void
  /** Every query that matches is owed a fetch that starts after now. */
  owe(filters: InvalidateQueryFilters, terms: Terms): void
}

/** How long a mutation may keep a query from being fetched, unless told otherwise. */
export const defaultHoldMs = 5000

const active = 1
const inactive = 2
const kindsOf = { none: 0, active, inactive, all: active | inactive }

/** What a query is owed since an event said that its data may be old. */
interface Debt {
  /** Bits: the kinds of query that are fetched. One of another kind is only marked stale. */
  kinds: number
  windowMs: number
  notBefore: number
  /** A fetch that started after the event is running. */
  covered: boolean
  /** The application cancelled a fetch, as it does before it shows what the server has not confirmed yet. */
  cancelled: boolean
  heldSince: number | undefined
}

const schedulers = new WeakMap<QueryClient, Scheduler>()

/** One for each QueryClient: several bindings with the same key cause one fetch. */
export function schedulerOf(queryClient: QueryClient): Scheduler {
  let scheduler = schedulers.get(queryClient)
  if (!scheduler) {
    scheduler = createScheduler(queryClient)
    schedulers.set(queryClient, scheduler)
  }
  return scheduler
}

/**
 * A debt begins with an event and ends when a fetch ends that started after the event, whoever started it. Until then
 * the query has its debt, however often fetches before it succeed, fail or are cancelled. A query that nobody looks at
 * is paid with the mark that makes it fetch when somebody does.
 */
function createScheduler(queryClient: QueryClient): Scheduler {
  const queries = queryClient.getQueryCache()
  const debts = new Map<Query, Debt>()
  const startedAt = new WeakMap<Query, number>()
  const holds = new Set<Hold>()
  let stop: (() => void) | undefined
  let timer: ReturnType<typeof setTimeout> | undefined
  let queued = false
  const moment = Math.random()

  function owe(filters: InvalidateQueryFilters, { windowMs, spreadMs = 0, onlyRunning }: Terms): void {
    const notBefore = performance.now() + moment * spreadMs
    const kinds = kindsOf[filters.refetchType ?? filters.type ?? 'active']
    for (const query of queries.findAll(filters)) {
      if (!onlyRunning || isRunning(query)) oweOne(query, kinds, windowMs, notBefore)
    }
    paySoon()
  }

  function oweOne(query: Query, kinds: number, windowMs: number, notBefore: number): void {
    const earlier = debts.get(query)
    const waiting = earlier?.covered ? undefined : earlier
    debts.set(query, {
      kinds: kinds | (earlier?.kinds ?? 0),
      windowMs: Math.min(windowMs, waiting?.windowMs ?? windowMs),
      notBefore: Math.min(notBefore, waiting?.notBefore ?? notBefore),
      covered: false,
      cancelled: waiting?.cancelled ?? false,
      heldSince: waiting?.heldSince,
    })
  }

  // In a microtask: what several rules and several bindings make of one event is one payment.
  function paySoon(): void {
    if (queued) return
    queued = true
    queueMicrotask(() => {
      queued = false
      pay()
    })
  }

  function pay(): void {
    const now = performance.now()
    let next = Infinity
    for (const [query, debt] of debts) {
      const running = isRunning(query)
      // Again after each fetch, whose success takes the mark away.
      query.invalidate()
      if (!(debt.kinds & (query.isActive() ? active : inactive))) {
        if (!running) debts.delete(query)
      } else if (!isHidden()) {
        let due = Math.max(debt.notBefore, (startedAt.get(query) ?? -Infinity) + debt.windowMs)
        if (due <= now && !running) due = heldUntil(query, debt, now)
        if (due <= now) fetch(query)
        else next = Math.min(next, due)
      }
    }
    clearTimeout(timer)
    if (next < Infinity) timer = setTimeout(pay, next - now)
    if (holds.size === 0 && debts.size === 0) stop?.()
  }

  function fetch(query: Query): void {
    // This leaves alone what is being fetched already: it is looked at again when that ends. (A query may also say so
    // wrongly, after cancelQueries with `silent`; that is fetched.) Disabled and static queries are left alone too:
    // being marked is all that they get.
    void queryClient.refetchQueries({ predicate: other => other === query }, { cancelRefetch: false })
    if (!isRunning(query)) debts.delete(query)
  }

  function heldUntil(query: Query, debt: Debt, now: number): number {
    debt.heldSince ??= now
    const ms = debt.cancelled && queryClient.isMutating() > 0 ? defaultHoldMs : 0
    return debt.heldSince + Math.max(ms, ...[...holds].map(hold => hold(query)))
  }

  function start(): () => void {
    const offQueries = queries.subscribe(event => {
      const { query } = event
      const debt = debts.get(query)
      if (event.type === 'removed' && debts.delete(query)) paySoon()
      if (event.type !== 'updated') return
      const { action } = event
      if (action.type === 'fetch') {
        startedAt.set(query, performance.now())
        if (action.meta?.fetchMore) {
          // One more page of an infinite query confirms none of the others, but its success takes their mark away, and
          // it may have replaced a fetch of them all.
          if (debt || query.state.isInvalidated) oweOne(query, active, 0, 0)
        } else if (debt) {
          debt.covered = true
          debt.heldSince = undefined
        }
      } else if (debt && !isRunning(query)) {
        const failed = action.type === 'error'
        // A fetch that is cancelled sets the state back. (In 5.83 and older: by an error that it has not.)
        if (action.type === 'setState' || (failed && action.error !== query.state.error)) debt.cancelled = true
        else if (debt.covered) debts.delete(query)
        debt.covered = false
        // What failed for good is fetched when somebody comes to see it, or at the next event.
        if (failed) query.invalidate()
        paySoon()
      }
    })
    const offMutations = queryClient.getMutationCache().subscribe(paySoon)
    const page = globalThis.document
    page?.addEventListener('visibilitychange', paySoon)
    return () => {
      offQueries()
      offMutations()
      page?.removeEventListener('visibilitychange', paySoon)
      stop = undefined
    }
  }

  return {
    attach(hold) {
      holds.add(hold)
      stop ??= start()
      return () => {
        holds.delete(hold)
        paySoon()
      }
    },
    owe,
  }
}

const isRunning = (query: Query) => query.state.fetchStatus !== 'idle'
const isHidden = () => globalThis.document?.visibilityState === 'hidden'
