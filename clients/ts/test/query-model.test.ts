// @vitest-environment jsdom
import {
  InfiniteQueryObserver,
  MutationObserver,
  onlineManager,
  QueryClient,
  type QueryFunctionContext,
  QueryObserver,
} from '@tanstack/query-core'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { bindQueries } from '../src/query.js'
import { Api, after, fakeClient } from './query-harness.js'

// Anything may happen at any time; in the end each list on the page is what the server has. ROWCAST_SEED repeats a run.
const seed = Number(process.env.ROWCAST_SEED ?? Date.now() % 1_000_000)
const runs = process.env.ROWCAST_SEED ? 1 : 60

const windowMs = 100
let visibility: DocumentVisibilityState = 'visible'
Object.defineProperty(document, 'visibilityState', { get: () => visibility })
function show(state: DocumentVisibilityState) {
  if (visibility === state) return
  visibility = state
  document.dispatchEvent(new Event('visibilitychange', { bubbles: true }))
}

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  onlineManager.setOnline(true)
  show('visible')
  vi.useRealTimers()
})

/** mulberry32 */
function randomOf(state: number) {
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

/** A list of the server, its query, and the component that shows it or does not. */
class List {
  readonly api = new Api()
  readonly queryKey: readonly [string, number]
  lastEvent = Number.NEGATIVE_INFINITY
  /** What may each have caused one fetch. */
  causes = 0
  #unmount: (() => void) | undefined
  #nextPage: (() => void) | undefined

  constructor(
    readonly queryClient: QueryClient,
    readonly id: number,
    readonly options: { retry: number; retryDelay: number; aborts: boolean; infinite: boolean },
  ) {
    this.queryKey = ['list', id]
  }

  get mounted() {
    return this.#unmount !== undefined
  }

  mount() {
    if (this.mounted) return
    this.causes++
    const { aborts, infinite, ...rest } = this.options
    const options = {
      ...rest,
      queryKey: this.queryKey,
      queryFn: (context: QueryFunctionContext) => this.api.list(aborts ? context.signal : undefined),
    }
    if (infinite) {
      const observer = new InfiniteQueryObserver(this.queryClient, {
        ...options,
        initialPageParam: 0,
        getNextPageParam: (_, pages) => pages.length,
      })
      this.#unmount = observer.subscribe(() => {})
      this.#nextPage = () => void observer.fetchNextPage()
    } else {
      this.#unmount = new QueryObserver(this.queryClient, options).subscribe(() => {})
    }
  }

  nextPage() {
    if (!this.mounted || !this.#nextPage) return
    this.causes += 2
    this.#nextPage()
  }

  unmount() {
    this.#unmount?.()
    this.#unmount = undefined
  }

  /** What is wrong with what the page shows. */
  get fault() {
    const query = this.queryClient.getQueryCache().find({ queryKey: this.queryKey })
    if (!query) return this.mounted ? 'no query' : undefined
    const { state } = query
    if (state.fetchStatus !== 'idle') return 'still fetching'
    const last = this.api.starts.at(-1) ?? Number.NEGATIVE_INFINITY
    if (this.mounted && last < this.lastEvent) return `event at ${this.lastEvent}, last fetch at ${last}`
    if (state.status === 'error' || (!this.mounted && query.isStale())) return undefined
    const data = state.data as undefined | readonly number[] | { pages: readonly (readonly number[])[] }
    // The application cancelled the first fetch.
    if (!data) return undefined
    const shown = 'pages' in data ? data.pages.map(page => page.length) : [data.length]
    return shown.every(n => n === this.api.rows.length) ? undefined : `shows ${shown} of ${this.api.rows.length}`
  }
}

async function run(random: () => number) {
  const chance = (p: number) => random() < p
  const upTo = (n: number) => Math.floor(random() * (n + 1))
  const pick = <T>(items: readonly T[]) => items[upTo(items.length - 1)] as T

  const queryClient = new QueryClient({ defaultOptions: { queries: { staleTime: Number.POSITIVE_INFINITY } } })
  queryClient.mount()
  const { client, emit, resync, listeners } = fakeClient()
  // Nothing but events.
  const calm = chance(0.1)
  const infinite = chance(0.3)
  const aborts = infinite || chance(0.5)
  const lists = Array.from({ length: 3 }, (_, id) => {
    const list = new List(queryClient, id, { retry: upTo(2), retryDelay: upTo(500), aborts, infinite })
    const slow = pick([5, 80, 500])
    list.api.latency = () => upTo(slow)
    const failing = calm ? 0 : pick([0, 0, 0.3])
    list.api.fails = () => chance(failing)
    return list
  })
  let mutating = 0
  const bind = () =>
    bindQueries(client, queryClient, {
      topics: [],
      windowMs,
      invalidate: { message_created: e => ['list', Number(e.payload.topic_id)] },
      holdWhile: query => query.queryKey[1] === 0 && mutating > 0,
      holdMaxMs: 2000,
    })
  let bindings = [bind()]
  for (const list of lists) list.mount()

  const acts: Record<string, (list: List) => void> = {
    unmount: list => list.unmount(),
    mount: list => list.mount(),
    refetch: list => {
      list.causes++
      void queryClient.refetchQueries({ queryKey: list.queryKey }, { cancelRefetch: aborts && chance(0.5) })
    },
    cancel: list => {
      list.causes++
      if (aborts) void queryClient.cancelQueries({ queryKey: list.queryKey })
    },
    nextPage: list => list.nextPage(),
    remove: list => {
      if (aborts && !list.mounted) queryClient.removeQueries({ queryKey: list.queryKey })
    },
    resync: () => {
      for (const list of lists) list.causes++
      resync(upTo(3000))
    },
    mutate: () => {
      const mutation = new MutationObserver(queryClient, {
        mutationFn: (ms: number) => new Promise<void>(resolve => setTimeout(resolve, ms)),
        onMutate: () => void mutating++,
        onSettled: () => void mutating--,
        networkMode: 'always',
      })
      void mutation.mutate(upTo(3000))
    },
    offline: () => onlineManager.setOnline(chance(0.5)),
    hide: () => show(pick(['hidden', 'visible'])),
    bind: () => {
      const old = bindings
      bindings = Array.from({ length: 1 + upTo(1) }, bind)
      for (const unbind of old) unbind()
    },
  }
  // Each run knows some of these acts only, so that rare combinations are not drowned.
  const known = Object.values(acts).filter(() => chance(0.4))

  for (let step = upTo(80); step >= 0; step--) {
    const list = pick(lists)
    const act = pick(known)
    if (calm || !act || chance(0.6)) {
      list.api.write()
      emit('message_created', { topic_id: String(list.id) })
      list.lastEvent = performance.now()
      list.causes++
    } else {
      act(list)
    }
    if (chance(0.7)) await after(upTo(pick([2, 60, 400])))
  }
  // Unbound while something is owed: that is still fetched.
  if (chance(0.3)) for (const unbind of bindings) unbind()
  onlineManager.setOnline(true)
  show('visible')
  await after(30_000)

  for (const list of lists) {
    expect(list.fault, `list ${list.id}`).toBeUndefined()
    expect(list.api.mostInFlight).toBeLessThanOrEqual(1)
    // Each try again of a fetch is a request, and a full fetch of an infinite query is one per page.
    if (!infinite) expect(list.api.requests.length).toBeLessThanOrEqual(list.causes * 3)
    if (calm) {
      const gaps = list.api.starts.slice(1).map((at, i) => at - (list.api.starts[i] ?? 0))
      expect(Math.min(windowMs, ...gaps)).toBe(windowMs)
    }
  }
  for (const unbind of bindings) unbind()
  await after(0)
  expect(listeners.size).toBe(0)
  expect(queryClient.getQueryCache().hasListeners()).toBe(false)
  for (const list of lists) list.unmount()
  queryClient.clear()
  queryClient.unmount()
}

it(`shows what the server has in the end, whatever happens (seed ${seed})`, async () => {
  for (let i = 0; i < runs; i++) {
    const s = seed + i
    await run(randomOf(s)).catch(error => {
      throw new Error(`ROWCAST_SEED=${s}: ${error.message}`, { cause: error })
    })
  }
}, 60_000)
