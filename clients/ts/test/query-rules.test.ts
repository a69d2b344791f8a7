import { QueryObserver } from '@tanstack/query-core'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { bindQueries, many } from '../src/query.js'
import { after, setup } from './query-harness.js'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
  vi.restoreAllMocks()
})

/** A page with more queries, of which the test looks at how often each was fetched. */
async function several(options: Parameters<typeof setup>[0] = {}) {
  const page = await setup(options)
  const fetched: string[] = []
  const watch = (...queryKey: unknown[]) =>
    new QueryObserver(page.queryClient, {
      queryKey,
      queryFn: async () => {
        fetched.push(queryKey.join('/'))
        return fetched.length
      },
    }).subscribe(() => {})
  return {
    ...page,
    watch,
    async fetchedBy(act: () => void) {
      await page.quiet()
      fetched.length = 0
      act()
      await after(1000)
      return fetched.sort()
    },
  }
}

describe('a rule', () => {
  it('is a function of the event', async () => {
    const page = await several({
      options: { invalidate: { message_created: e => ['topic', e.payload.topic_id] } },
    })
    page.watch('topic', '7')
    page.watch('topic', '8')
    expect(await page.fetchedBy(() => page.emit('message_created', { topic_id: '7' }))).toEqual(['topic/7'])
  })

  it('names filters, several targets, or nothing', async () => {
    const page = await several({
      options: {
        invalidate: {
          message_created: e => many(['list'], { queryKey: ['detail', e.payload.id], exact: true }, null),
          message_deleted: { predicate: query => query.queryKey[0] === 'list' },
          project_updated: () => null,
        },
      },
    })
    page.watch('list', 1)
    page.watch('detail', '1')
    page.watch('detail', '1', 'comments')
    expect(await page.fetchedBy(() => page.emit('message_created', { id: '1' }))).toEqual(['detail/1', 'list/1'])
    expect(await page.fetchedBy(() => page.emit('message_deleted'))).toEqual(['list/1'])
    expect(await page.fetchedBy(() => page.emit('project_updated'))).toEqual([])
  })

  it('is told whether the event is the application’s own', async () => {
    const page = await several({
      options: { invalidate: { message_created: (_, { own }) => (own ? null : ['list']) } },
    })
    page.watch('list')
    expect(await page.fetchedBy(() => page.emit('message_created', {}, true))).toEqual([])
    expect(await page.fetchedBy(() => page.emit('message_created'))).toEqual(['list'])
  })
})

describe('a patch', () => {
  it('is told whether the event is the application’s own', async () => {
    const patch = vi.fn(() => true)
    const page = await setup({ options: { patch: { message_created: patch } } })
    page.emit('message_created', {}, true)
    page.emit('message_created')
    expect(patch).toHaveBeenNthCalledWith(1, expect.anything(), page.queryClient, { own: true })
    expect(patch).toHaveBeenNthCalledWith(2, expect.anything(), page.queryClient, { own: false })
  })

  it('that returns true is all there is', async () => {
    const page = await setup({
      options: {
        patch: {
          message_created: (_, queryClient) => {
            queryClient.setQueryData<number[]>(['messages'], rows => [...(rows ?? []), 0])
            return true
          },
        },
      },
    })
    await page.quiet()
    page.write()
    await after(1000)
    expect(page.data).toEqual([0])
    expect(page.api.requests).toHaveLength(0)
    expect(page.state.isInvalidated).toBe(false)
  })

  it('is not undone by the answer to an older fetch', async () => {
    const page = await setup({
      latency: 300,
      options: {
        patch: {
          message_created: (_, queryClient) => {
            queryClient.setQueryData<number[]>(['messages'], rows => [...(rows ?? []), 0])
            return true
          },
        },
      },
    })
    await page.quiet()
    void page.queryClient.refetchQueries({ queryKey: ['messages'] })
    await after(100)
    page.write()
    await after(2000)
    expect(page.data).toEqual([0])
    expect(page.api.requests).toHaveLength(2)
  })

  it('that returns anything else, or throws, leaves it to the fetch', async () => {
    const patch = vi.fn()
    const page = await setup({ options: { patch: { message_created: patch } } })
    await page.quiet()
    page.write()
    await after(1000)
    expect(page.data).toEqual([0])
    patch.mockReturnValue(false)
    page.write()
    await after(1000)
    expect(page.data).toEqual([0, 1])
    patch.mockImplementation(() => {
      throw new Error('bad patch')
    })
    expect(() => page.write()).toThrow('bad patch')
    await after(1000)
    expect(page.data).toEqual([0, 1, 2])
  })
})

it('calls the handler of an event, whatever the rule does', async () => {
  const onEvent = vi.fn()
  const page = await setup({
    options: {
      invalidate: {
        message_created: () => {
          throw new Error('bad rule')
        },
      },
      onEvent: { message_created: onEvent },
    },
  })
  expect(() => page.emit('message_created', { id: '1' }, true)).toThrow('bad rule')
  expect(onEvent).toHaveBeenCalledWith(expect.objectContaining({ payload: { id: '1' } }), { own: true })
})

it('fetches once for several bindings', async () => {
  const page = await setup({ latency: 300 })
  for (let i = 0; i < 3; i++) {
    bindQueries(page.client, page.queryClient, { topics: [], invalidate: { message_created: ['messages'] } })
  }
  await page.quiet()
  page.write()
  await after(2000)
  expect(page.api.requests).toHaveLength(1)
})

describe('unbinding', () => {
  it('stops timers and subscriptions', async () => {
    const page = await setup()
    await page.quiet()
    const timers = vi.getTimerCount()
    page.write()
    await after(60)
    page.write()
    await after(0)
    page.unbind()
    await after(500)
    page.write()
    await after(500)
    expect(page.api.requests).toHaveLength(2)
    expect(page.listeners.size).toBe(0)
    expect(page.queryClient.getQueryCache().hasListeners()).toBe(false)
    expect(page.queryClient.getMutationCache().hasListeners()).toBe(false)
    expect(vi.getTimerCount()).toBe(timers)
  })

  it('leaves no list wrong', async () => {
    const page = await setup({ latency: 300 })
    await page.quiet()
    page.write()
    await after(10)
    page.write()
    page.unbind()
    await after(2000)
    expect(page.data).toEqual([0, 1])
  })

  it('can be followed by binding', async () => {
    const page = await setup()
    await page.quiet()
    page.unbind()
    await after(0)
    bindQueries(page.client, page.queryClient, { topics: [], invalidate: { message_created: ['messages'] } })
    page.write()
    await after(10)
    page.write()
    await after(200)
    expect(page.data).toEqual([0, 1])
  })
})

describe('a resync', () => {
  const half = () => vi.spyOn(Math, 'random').mockReturnValue(0.5)

  it('fetches what is in use once, at a random moment', async () => {
    half()
    const page = await setup()
    bindQueries(page.client, page.queryClient, { topics: [] })
    await page.quiet()
    page.resync(3000)
    page.resync(3000)
    await after(1499)
    expect(page.api.requests).toHaveLength(0)
    await after(1)
    expect(page.api.requests).toHaveLength(1)
    await after(5000)
    expect(page.api.requests).toHaveLength(1)
  })

  it('does not hold back the fetch for an event, and is done with it', async () => {
    half()
    const page = await setup()
    await page.quiet()
    page.resync(3000)
    await after(100)
    page.write()
    await after(60)
    expect(page.data).toEqual([0])
    await after(5000)
    expect(page.api.requests).toHaveLength(1)
  })

  it('does not delay a fetch that was due before it', async () => {
    half()
    const page = await setup({ latency: 5 })
    await page.quiet()
    page.write()
    await after(10)
    page.write()
    page.resync(3000)
    await after(100)
    expect(page.api.requests).toHaveLength(2)
    await after(5000)
    expect(page.api.requests).toHaveLength(2)
  })

  it('does nothing, or what a function says', async () => {
    half()
    const page = await several({ options: { onResync: 'none' } })
    page.watch('list')
    page.watch('detail')
    expect(await page.fetchedBy(() => page.resync(0))).toEqual([])
    bindQueries(page.client, page.queryClient, { topics: [], onResync: r => [r.topics[0] === 'x' ? 'list' : 'detail'] })
    expect(await page.fetchedBy(() => page.resync(0, ['x']))).toEqual(['list'])
  })

  it('without a spread fetches at once', async () => {
    const page = await setup()
    await page.quiet()
    page.resync(0)
    await after(0)
    expect(page.api.requests).toHaveLength(1)
  })
})

describe('a key that can match nothing', () => {
  it('is warned about if a number is in the place of a string', async () => {
    const warn = vi.fn()
    const page = await several({
      options: {
        warn,
        invalidate: { message_created: e => ['topic', e.payload.topic_id], project_updated: ['other'] },
      },
    })
    page.watch('topic', 7)
    await page.fetchedBy(() => page.emit('message_created', { topic_id: '7' }))
    expect(warn).toHaveBeenCalledTimes(1)
    expect(warn.mock.calls[0]?.[0]).toContain('["topic","7"], but there is ["topic",7]')
    await page.fetchedBy(() => page.emit('message_created', { topic_id: '8' }))
    await page.fetchedBy(() => page.emit('project_updated'))
    page.watch('topic', '7')
    await page.fetchedBy(() => page.emit('message_created', { topic_id: '7' }))
    expect(warn).toHaveBeenCalledTimes(1)
  })

  it('is not looked for in production', async () => {
    vi.stubEnv('NODE_ENV', 'production')
    const warn = vi.fn()
    const page = await several({ options: { warn, invalidate: { message_created: ['topic', '7'] } } })
    page.watch('topic', 7)
    await page.fetchedBy(() => page.emit('message_created'))
    expect(warn).not.toHaveBeenCalled()
    vi.unstubAllEnvs()
  })
})
