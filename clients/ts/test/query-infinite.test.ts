import { InfiniteQueryObserver } from '@tanstack/query-core'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { after, setup } from './query-harness.js'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

describe('an infinite query', () => {
  it('is fetched in full though it was marked stale while nobody looked, and then asked for one more page', async () => {
    const page = await pages()
    page.unmount()
    page.write()
    await after(10)
    page.mount()
    await after(100)
    void page.observer.fetchNextPage()
    await after(950)
    expect(page.observer.getCurrentResult().data?.pages).toEqual([[0], [0]])
  })

  it('is asked for one more page without more ado when nothing is owed', async () => {
    const page = await pages()
    page.api.requests.length = 0
    void page.observer.fetchNextPage()
    await after(2000)
    expect(page.api.requests).toHaveLength(1)
  })

  async function pages() {
    const page = await setup({ latency: 300 })
    const observer = new InfiniteQueryObserver(page.queryClient, {
      queryKey: ['messages', 'pages'],
      queryFn: () => page.api.list(),
      initialPageParam: 0,
      getNextPageParam: (_, all) => all.length,
    })
    page.unmount()
    const mount = () => observer.subscribe(() => {})
    const unmount = mount()
    await page.quiet()
    return { ...page, observer, mount, unmount }
  }

  it('is fetched in full though an event arrived while one more page was', async () => {
    const page = await pages()
    page.write()
    void page.observer.fetchNextPage()
    await after(900)
    expect(page.observer.getCurrentResult().data?.pages).toEqual([[0], [0]])
  })

  it('is fetched in full though one more page replaced the fetch for the event', async () => {
    const page = await pages()
    page.write()
    await after(100)
    void page.observer.fetchNextPage()
    await after(2000)
    expect(page.observer.getCurrentResult().data?.pages).toEqual([[0], [0]])
  })

  it('is fetched in full though the application wrote to it, and asked for one more page', async () => {
    const page = await pages()
    page.write()
    await after(100)
    page.queryClient.setQueryData(['messages', 'pages'], { pages: [[]], pageParams: [0] })
    void page.observer.fetchNextPage()
    await after(2000)
    expect(page.observer.getCurrentResult().data?.pages).toEqual([[0], [0]])
  })
})
