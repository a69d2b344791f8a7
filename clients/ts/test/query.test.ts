import { onlineManager } from '@tanstack/query-core'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { many } from '../src/query.js'
import { after, setup } from './query-harness.js'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
  onlineManager.setOnline(true)
})

describe('one query', () => {
  it('is fetched at once when an event arrives', async () => {
    const page = await setup()
    await page.quiet()
    page.write()
    await after(0)
    expect(page.api.starts).toEqual([performance.now()])
    await after(50)
    expect(page.data).toEqual([0])
    expect(page.api.requests).toHaveLength(1)
    expect(page.state.isInvalidated).toBe(false)
  })

  it('is fetched once more after a burst during a fetch', async () => {
    const page = await setup({ latency: 400 })
    await page.quiet()
    for (let i = 0; i < 50; i++) {
      page.write()
      await after(7)
    }
    expect(page.api.requests).toHaveLength(1)
    await after(2000)
    expect(page.api.requests).toHaveLength(2)
    expect(page.api.mostInFlight).toBe(1)
    expect(page.data).toHaveLength(50)
  })

  it('is fetched once per window while events keep coming', async () => {
    const page = await setup({ latency: 5 })
    await page.quiet()
    const start = performance.now()
    for (let i = 0; i < 200; i++) {
      page.write()
      await after(5)
    }
    await after(500)
    expect(page.api.starts.map(at => at - start)).toEqual([0, 100, 200, 300, 400, 500, 600, 700, 800, 900, 1000])
    expect(page.data).toHaveLength(200)
  })

  it('has its own window', async () => {
    const page = await setup({ latency: 5, options: { windowMs: 1000 } })
    await page.quiet()
    page.write()
    await after(10)
    page.write()
    await after(985)
    expect(page.api.requests).toHaveLength(1)
    await after(10)
    expect(page.api.requests).toHaveLength(2)
  })

  it('is fetched once more when an event arrives during its first fetch', async () => {
    const page = await setup({ latency: 300 })
    await after(10)
    page.write()
    page.write()
    await after(1000)
    expect(page.api.requests).toHaveLength(2)
    expect(page.data).toEqual([0, 1])
  })

  it('is not fetched again when somebody else fetches it after the event', async () => {
    const page = await setup({ latency: 5 })
    await page.quiet()
    page.write()
    await after(20)
    page.write()
    void page.queryClient.refetchQueries({ queryKey: ['messages'] })
    await after(1000)
    expect(page.api.requests).toHaveLength(2)
    expect(page.data).toEqual([0, 1])
  })

  it('is fetched once more when an event arrives during a fetch that somebody else started', async () => {
    const page = await setup({ latency: 300 })
    await page.quiet()
    void page.queryClient.refetchQueries({ queryKey: ['messages'] })
    await after(100)
    page.write()
    await after(1000)
    expect(page.api.requests).toHaveLength(2)
    expect(page.data).toEqual([0])
  })

  it('is fetched once more when the fetch that ran during the event fails', async () => {
    const page = await setup({ latency: 300 })
    await page.quiet()
    page.api.fails = () => page.api.requests.length === 0
    void page.queryClient.refetchQueries({ queryKey: ['messages'] })
    await after(100)
    page.write()
    await after(1000)
    expect(page.api.requests).toHaveLength(2)
    expect(page.data).toEqual([0])
  })

  it('is fetched once more when the fetch that ran during the event was waiting to try again', async () => {
    const page = await setup({ latency: 10, query: { retry: 1, retryDelay: 1000 } })
    await page.quiet()
    page.api.fails = () => page.api.requests.length === 0
    void page.queryClient.refetchQueries({ queryKey: ['messages'] })
    await after(500)
    expect(page.state.fetchFailureCount).toBe(1)
    page.write()
    await after(400)
    expect(page.api.requests).toHaveLength(1)
    await after(2000)
    expect(page.api.requests).toHaveLength(3)
    expect(page.data).toEqual([0])
  })

  it('is not fetched for ever when the API fails', async () => {
    const page = await setup({ latency: 10 })
    await page.quiet()
    page.api.fails = () => true
    page.write()
    await after(5000)
    expect(page.api.requests).toHaveLength(1)
    expect(page.state).toMatchObject({ status: 'error', isInvalidated: true })
  })

  it('is fetched again when a fetch for an event was cancelled', async () => {
    const page = await setup({ latency: 300, query: { queryFn: ({ signal }) => page.api.list(signal) } })
    await page.quiet()
    page.write()
    await after(100)
    await page.queryClient.cancelQueries({ queryKey: ['messages'] })
    await after(1000)
    expect(page.api.requests).toHaveLength(2)
    expect(page.data).toEqual([0])
  })

  it('is fetched again when a fetch for an event was cancelled between its tries', async () => {
    const page = await setup({ latency: 10, query: { retry: 1, retryDelay: 1000 } })
    await page.quiet()
    page.api.fails = () => page.api.requests.length === 0
    page.write()
    await after(500)
    expect(page.state.fetchFailureCount).toBe(1)
    await page.queryClient.cancelQueries({ queryKey: ['messages'] })
    await after(500)
    expect(page.data).toEqual([0])
  })

  it('is fetched again when a fetch for an event was cancelled without a word', async () => {
    const page = await setup({ latency: 300 })
    await page.quiet()
    page.write()
    await after(50)
    void page.queryClient.cancelQueries({ queryKey: ['messages'] }, { silent: true })
    await after(1000)
    expect(page.data).toEqual([0])
  })

  it('is marked stale when the fetch that somebody else started after the event failed', async () => {
    const page = await setup()
    await page.quiet()
    page.api.fails = () => true
    page.write()
    void page.observer.refetch()
    await after(10)
    page.queryClient.setQueryData(['messages'], [])
    expect(page.state.isInvalidated).toBe(false)
    await after(1000)
    expect(page.api.requests).toHaveLength(1)
    expect(page.state).toMatchObject({ status: 'error', isInvalidated: true })
  })

  it('is fetched again when it was reset', async () => {
    const page = await setup({ latency: 300 })
    await page.quiet()
    void page.queryClient.refetchQueries({ queryKey: ['messages'] })
    await after(100)
    page.write()
    void page.queryClient.resetQueries({ queryKey: ['messages'] })
    await after(1000)
    expect(page.data).toEqual([0])
    expect(page.api.requests).toHaveLength(2)
  })

  it('is fetched when the network is back', async () => {
    const page = await setup()
    await page.quiet()
    onlineManager.setOnline(false)
    page.write()
    await after(10)
    expect(page.state.fetchStatus).toBe('paused')
    page.write()
    await after(10_000)
    expect(page.api.requests).toHaveLength(0)
    onlineManager.setOnline(true)
    await after(1000)
    expect(page.data).toEqual([0, 1])
    expect(page.api.requests).toHaveLength(2)
  })

  it('is left alone by what is not in the map', async () => {
    const page = await setup()
    await page.quiet()
    page.emit('message_deleted')
    page.emit('constructor' as 'message_deleted')
    await after(1000)
    expect(page.api.requests).toHaveLength(0)
    expect(page.state.isInvalidated).toBe(false)
  })

  it('is forgotten when it leaves the cache', async () => {
    const page = await setup({ latency: 300 })
    await page.quiet()
    page.write()
    await after(10)
    page.write()
    page.unbind()
    page.unmount()
    await after(10)
    page.queryClient.removeQueries({ queryKey: ['messages'] })
    await after(5000)
    expect(page.api.requests).toHaveLength(1)
    expect(page.queryClient.getQueryCache().getAll()).toEqual([])
    expect(page.queryClient.getQueryCache().hasListeners()).toBe(false)
  })
})

describe('a query that nobody looks at', () => {
  it('is marked stale, and fetched when somebody does', async () => {
    const page = await setup()
    await page.quiet()
    page.unmount()
    page.write()
    await after(1000)
    expect(page.api.requests).toHaveLength(0)
    expect(page.state.isInvalidated).toBe(true)
    page.observer.subscribe(() => {})
    await after(100)
    expect(page.data).toEqual([0])
    expect(page.api.requests).toHaveLength(1)
  })

  it('is marked stale after the fetch that was running', async () => {
    const page = await setup({ latency: 300 })
    await page.quiet()
    void page.queryClient.refetchQueries({ queryKey: ['messages'] })
    page.unmount()
    await after(100)
    page.write()
    await after(1000)
    expect(page.api.requests).toHaveLength(1)
    expect(page.data).toEqual([])
    expect(page.state.isInvalidated).toBe(true)
  })

  it('is marked stale when it was left before its fetch was due', async () => {
    const page = await setup({ latency: 10 })
    await page.quiet()
    void page.queryClient.refetchQueries({ queryKey: ['messages'] })
    await after(5)
    page.write()
    await after(10)
    page.unmount()
    await after(1000)
    expect(page.api.requests).toHaveLength(1)
    expect(page.state.isInvalidated).toBe(true)
  })

  it('is marked stale when leaving it cancelled its fetch', async () => {
    const page = await setup({ latency: 300, query: { queryFn: ({ signal }) => page.api.list(signal) } })
    await page.quiet()
    // Somebody else's fetch, so that the state it goes back to is not stale.
    void page.queryClient.refetchQueries({ queryKey: ['messages'] })
    page.write()
    await after(100)
    page.unmount()
    await after(1000)
    expect(page.state).toMatchObject({ fetchStatus: 'idle', isInvalidated: true })
  })

  it('is fetched if the rule says so', async () => {
    const page = await setup({
      options: { invalidate: { message_created: { queryKey: ['messages'], refetchType: 'all' } } },
    })
    await page.quiet()
    page.unmount()
    page.write()
    await after(100)
    expect(page.data).toEqual([0])
  })

  it('is fetched if another rule says so, though this one does not', async () => {
    const page = await setup({
      options: {
        invalidate: {
          message_created: () => many({ queryKey: ['messages'], refetchType: 'all' }, { queryKey: ['messages'] }),
        },
      },
    })
    await page.quiet()
    page.unmount()
    page.write()
    await after(100)
    expect(page.data).toEqual([0])
  })

  it.each([
    [{ type: 'inactive' }, 1],
    [{ type: 'inactive', refetchType: 'none' }, 0],
    [{ refetchType: 'inactive' }, 1],
    [{ refetchType: 'active' }, 0],
  ] as const)('is fetched or not as by invalidateQueries(%o)', async (filters, requests) => {
    const page = await setup({ options: { invalidate: { message_created: filters } } })
    await page.quiet()
    page.unmount()
    page.write()
    await after(100)
    expect(page.api.requests).toHaveLength(requests)
    page.api.requests.length = 0
    void page.queryClient.invalidateQueries(filters)
    expect(page.api.requests).toHaveLength(requests)
  })

  it('and one that somebody does are fetched, if the rule says all', async () => {
    const page = await setup({
      options: { invalidate: { message_created: { queryKey: ['messages'], refetchType: 'all' } } },
    })
    await page.quiet()
    page.write()
    await after(100)
    expect(page.data).toEqual([0])
  })

  it('and one that somebody does is only marked, if the rule says so', async () => {
    const page = await setup({
      options: { invalidate: { message_created: { queryKey: ['messages'], refetchType: 'none' } } },
    })
    await page.quiet()
    page.write()
    await after(1000)
    expect(page.api.requests).toHaveLength(0)
    expect(page.state.isInvalidated).toBe(true)
  })

  it('is disabled: it is marked, and fetched when enabled', async () => {
    const page = await setup()
    await page.quiet()
    const { queryKey, queryFn } = page.observer.options
    page.observer.setOptions({ queryKey, queryFn, enabled: false })
    page.write()
    await after(1000)
    expect(page.api.requests).toHaveLength(0)
    page.observer.setOptions({ queryKey, queryFn, enabled: true })
    await after(100)
    expect(page.data).toEqual([0])
  })

  it('is static: it is never fetched again', async () => {
    const page = await setup({ query: { staleTime: 'static' } })
    await page.quiet()
    page.write()
    await after(1000)
    expect(page.api.requests).toHaveLength(0)
    page.unbind()
    await after(0)
    expect(page.queryClient.getQueryCache().hasListeners()).toBe(false)
  })
})
