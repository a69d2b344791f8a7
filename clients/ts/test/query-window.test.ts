import { QueryObserver } from '@tanstack/query-core'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { bindQueries, many } from '../src/query.js'
import { after, type Events, setup } from './query-harness.js'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

describe('a window', () => {
  /** Two lists, `fast` in a window of 50 and `slow` in one of 500, and what was fetched since both were. */
  async function windows() {
    const page = await setup()
    const fetched: string[] = []
    for (const name of ['fast', 'slow']) {
      const queryFn = () => fetched.push(name)
      new QueryObserver(page.queryClient, { queryKey: [name], queryFn }).subscribe(() => {})
    }
    const bind = (type: keyof Events, windowMs: number, ...queryKeys: string[][]) =>
      bindQueries(page.client, page.queryClient, { topics: [], windowMs, invalidate: { [type]: many(...queryKeys) } })
    bind('message_deleted', 50, ['fast'])
    bind('project_updated', 500, ['slow'])
    await page.quiet()
    page.emit('message_deleted')
    page.emit('project_updated')
    await after(10)
    fetched.length = 0
    return { ...page, fetched, bind }
  }

  it('is the rule’s, for each query by itself', async () => {
    const page = await windows()
    page.emit('message_deleted')
    page.emit('project_updated')
    await after(50)
    expect(page.fetched).toEqual(['fast'])
    await after(450)
    expect(page.fetched).toEqual(['fast', 'slow'])
  })

  it('is the shortest of those of several rules', async () => {
    for (const order of [
      ['message_deleted', 'project_updated'],
      ['project_updated', 'message_deleted'],
    ] as const) {
      const page = await windows()
      page.bind('message_deleted', 50, ['slow'])
      for (const type of order) page.emit(type)
      await after(50)
      expect(page.fetched.sort()).toEqual(['fast', 'slow'])
    }
  })

  it('is not that of a rule whose fetch is under way', async () => {
    const page = await windows()
    page.bind('message_created', 50, ['messages'])
    page.bind('project_updated', 500, ['messages'])
    page.api.latency = () => 100
    await after(1000)
    page.api.requests.length = 0
    page.emit('message_created')
    await after(10)
    page.emit('project_updated')
    await after(480)
    expect(page.api.requests).toHaveLength(1)
    await after(10)
    expect(page.api.requests).toHaveLength(2)
  })

  it('has one timer, however many events come', async () => {
    const page = await windows()
    const timers = vi.getTimerCount()
    for (let i = 0; i < 20; i++) {
      page.emit('project_updated')
      await after(1)
    }
    expect(vi.getTimerCount()).toBe(timers + 1)
  })
})
