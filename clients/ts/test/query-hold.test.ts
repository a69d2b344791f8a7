import { MutationObserver } from '@tanstack/query-core'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { after, type Setup, setup } from './query-harness.js'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
  vi.restoreAllMocks()
})

/** A page with a mutation, which takes a second. */
async function mutating({ options, ...rest }: Setup = {}) {
  const page = await setup({
    ...rest,
    options: { holdWhile: () => page.queryClient.isMutating({ mutationKey: ['send'] }) > 0, ...options },
  })
  const mutation = new MutationObserver<void, Error, number>(page.queryClient, {
    mutationKey: ['send'],
    mutationFn: ms => new Promise(resolve => setTimeout(resolve, ms)),
  })
  await page.quiet()
  return {
    ...page,
    get data() {
      return page.data
    },
    mutation,
  }
}

describe('while a mutation is pending', () => {
  it('its query is not fetched, and at once when it settles', async () => {
    const page = await mutating()
    void page.mutation.mutate(1000)
    await after(10)
    page.write()
    await after(980)
    expect(page.api.requests).toHaveLength(0)
    await after(10)
    expect(page.api.requests).toHaveLength(1)
    await after(100)
    expect(page.data).toEqual([0])
  })

  it('its query waits for holdMaxMs at most', async () => {
    const page = await mutating({ options: { holdMaxMs: 300 } })
    void page.mutation.mutate(1000)
    page.write()
    await after(200)
    page.write()
    await after(90)
    expect(page.api.requests).toHaveLength(0)
    await after(20)
    expect(page.api.requests).toHaveLength(1)
    await after(1000)
    expect(page.api.requests).toHaveLength(1)
  })

  it('its query waits from when it could have been fetched, each time anew', async () => {
    const page = await mutating({ latency: 300, options: { holdMaxMs: 500 } })
    page.write()
    await after(10)
    void page.mutation.mutate(10_000)
    page.write()
    await after(780)
    expect(page.api.requests).toHaveLength(1)
    await after(20)
    expect(page.api.requests).toHaveLength(2)
    await page.queryClient.cancelQueries({ queryKey: ['messages'] })
    await after(4900)
    expect(page.api.requests).toHaveLength(2)
    await after(200)
    expect(page.api.requests).toHaveLength(3)
  })

  it('a holdWhile that throws holds nothing', async () => {
    const complaint = vi.spyOn(console, 'error').mockReturnValue()
    const page = await mutating({
      options: {
        holdWhile: () => {
          throw new Error('bad')
        },
      },
    })
    page.write()
    await after(60)
    expect(page.data).toEqual([0])
    expect(complaint).toHaveBeenCalled()
  })

  it('other queries are fetched', async () => {
    const page = await mutating({ options: { holdWhile: query => query.queryKey[0] === 'other' } })
    void page.mutation.mutate(1000)
    page.write()
    await after(60)
    expect(page.data).toEqual([0])
  })

  it('what the application refetches when it settles is not fetched again', async () => {
    const page = await mutating()
    page.mutation.setOptions({
      ...page.mutation.options,
      onSettled: () => page.queryClient.invalidateQueries({ queryKey: ['messages'] }),
    })
    void page.mutation.mutate(1000)
    page.write()
    await after(3000)
    expect(page.api.requests).toHaveLength(1)
    expect(page.data).toEqual([0])
  })

  it('a fetch that the application cancelled for it waits, without being told', async () => {
    const page = await mutating({ latency: 300, options: { holdWhile: undefined } })
    page.write()
    await after(100)
    void page.mutation.mutate(1000)
    await page.queryClient.cancelQueries({ queryKey: ['messages'] })
    await after(500)
    page.write()
    await after(450)
    expect(page.api.requests).toHaveLength(1)
    await after(1000)
    expect(page.api.requests).toHaveLength(2)
    expect(page.data).toEqual([0, 1])
  })
})
