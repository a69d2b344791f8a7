import { QueryClient, QueryObserver, type QueryObserverOptions } from '@tanstack/query-core'
import { vi } from 'vitest'
import type { Client, Listener, RowcastEvent } from '../src/index.js'
import { type BindOptions, bindQueries } from '../src/query.js'

export interface Events {
  message_created: { topic_id: string; id: string }
  message_deleted: { topic_id: string; id: string }
  project_updated: { id: string }
}

/** A client whose events come from the test. Its own life is tested elsewhere. */
export function fakeClient() {
  const listeners = new Set<Listener<Events>>()
  const client = {
    subscribe(_topics: readonly string[], listener: Listener<Events>) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  } as unknown as Client<Events>
  return {
    client,
    listeners,
    emit<K extends keyof Events>(type: K, payload: Partial<Events[K]> = {}, own = false) {
      const event = { type, payload, topics: ['messages'], op: 'insert', at: '' } as unknown as RowcastEvent
      for (const listener of [...listeners]) listener.onEvent?.(event as never, { own })
    },
    resync(spreadMs: number, topics = ['messages']) {
      for (const listener of [...listeners]) listener.onResync?.({ topics, reason: 'history_gap', spreadMs })
    },
  }
}

/** An API over one list. An answer is what the list was when the request came. */
export class Api {
  readonly rows: number[] = []
  readonly requests: { at: number }[] = []
  inFlight = 0
  mostInFlight = 0
  latency: () => number = () => 50
  fails: () => boolean = () => false

  write() {
    this.rows.push(this.rows.length)
  }

  async list(signal?: AbortSignal): Promise<readonly number[]> {
    const rows = [...this.rows]
    const fails = this.fails()
    this.requests.push({ at: performance.now() })
    this.mostInFlight = Math.max(this.mostInFlight, ++this.inFlight)
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => {
        this.inFlight--
        resolve()
      }, this.latency())
      signal?.addEventListener('abort', () => {
        this.inFlight--
        clearTimeout(timer)
        reject(signal.reason)
      })
    })
    if (fails) throw new Error('500')
    return rows
  }

  get starts() {
    return this.requests.map(request => request.at)
  }
}

export interface Setup {
  options?: Partial<BindOptions<Events>>
  query?: Partial<QueryObserverOptions<readonly number[]>>
  latency?: number
}

/** One list on the page, whose first fetch is over unless `settled` is false, bound to `message_created`. */
export async function setup({ options, query, latency = 50 }: Setup = {}) {
  const queryClient = new QueryClient({ defaultOptions: { queries: { retry: false, staleTime: Infinity } } })
  queryClient.mount()
  const api = new Api()
  api.latency = () => latency
  const fake = fakeClient()
  const observer = new QueryObserver<readonly number[]>(queryClient, {
    queryKey: ['messages'],
    queryFn: () => api.list(),
    ...query,
  })
  const unmount = observer.subscribe(() => {})
  const unbind = bindQueries(fake.client, queryClient, {
    topics: ['messages'],
    invalidate: { message_created: ['messages'] },
    ...options,
  })
  const page = {
    queryClient,
    api,
    ...fake,
    observer,
    unmount,
    unbind,
    /** A row is written, and its event arrives. */
    write() {
      api.write()
      fake.emit('message_created')
    },
    get data() {
      return queryClient.getQueryData(['messages'])
    },
    get state() {
      const state = queryClient.getQueryState(['messages'])
      if (!state) throw new Error('no query')
      return state
    },
    /** Without the first fetch, and later than its window. */
    async quiet() {
      await vi.advanceTimersByTimeAsync(1000)
      api.requests.length = 0
    },
  }
  return page
}

/** What is under way in microtasks. */
export const settled = () => vi.advanceTimersByTimeAsync(0)
export const after = (ms: number) => vi.advanceTimersByTimeAsync(ms)
