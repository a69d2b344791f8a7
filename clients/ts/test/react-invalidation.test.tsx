// @vitest-environment jsdom
import { QueryClient, QueryClientProvider, useQuery, useSuspenseQuery } from '@tanstack/react-query'
import { act, cleanup, render } from '@testing-library/react'
import { StrictMode, Suspense } from 'react'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { createClient } from '../src/index.js'
import { many, type QueryInvalidationOptions, RowcastProvider, useQueryInvalidation } from '../src/react.js'
import { fakeServer } from '../src/testing.js'

interface Events {
  message_created: { topic_id: string; id: string }
  analysis_failed: { run_id: string; error: string }
}

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(async () => {
  cleanup()
  await pass(1000)
  vi.useRealTimers()
})

const pass = (ms = 0) => act(() => vi.advanceTimersByTimeAsync(ms))

/** The page of one topic: its messages, and whatever hooks a test needs. */
async function page(topic: string, options: Partial<QueryInvalidationOptions<Events>> = {}) {
  const server = fakeServer<Events>()
  const client = createClient<Events>({ url: 'ws://test/ws', WebSocket: server.WebSocket, random: () => 0 })
  const queryClient = new QueryClient({ defaultOptions: { queries: { staleTime: Number.POSITIVE_INFINITY } } })
  const api = vi.fn(async (id: string) => `messages of ${id}, ${api.mock.calls.length}`)

  function Topic({ id, ...rest }: { id: string } & Partial<QueryInvalidationOptions<Events>>) {
    const { data } = useQuery({ queryKey: ['messages', 'topic', id], queryFn: () => api(id) })
    const { connectionState } = useQueryInvalidation<Events>({
      topics: [`topic_${id}`],
      invalidate: { message_created: e => ['messages', 'topic', e.payload.topic_id] },
      ...rest,
    })
    return (
      <p>
        {connectionState}: {data}
      </p>
    )
  }
  const tree = (id: string, more: Partial<QueryInvalidationOptions<Events>>) => (
    <StrictMode>
      <QueryClientProvider client={queryClient}>
        <RowcastProvider client={client}>
          <Topic id={id} {...more} />
        </RowcastProvider>
      </QueryClientProvider>
    </StrictMode>
  )
  const view = render(tree(topic, options))
  await pass(1000)
  api.mockClear()
  return {
    server,
    client,
    queryClient,
    api,
    ...view,
    show: (id: string, more: Partial<QueryInvalidationOptions<Events>> = {}) => view.rerender(tree(id, more)),
    text: () => view.container.textContent,
    write: (topic_id: string, topics = [`topic_${topic_id}`]) =>
      server.emit({ type: 'message_created', payload: { topic_id, id: '1' }, topics }),
  }
}

it('refetches the query of the event’s topic, once', async () => {
  const { api, write, text } = await page('7')
  expect(text()).toBe('connected: messages of 7, 1')
  write('8', ['topic_7'])
  await pass(1000)
  expect(api).not.toHaveBeenCalled()
  write('7')
  await pass(1000)
  expect(api).toHaveBeenCalledTimes(1)
})

it('goes by the rules of the last render', async () => {
  const { api, write, show } = await page('7')
  show('7', { invalidate: { message_created: () => null } })
  write('7')
  await pass(1000)
  expect(api).not.toHaveBeenCalled()
  show('7', { invalidate: { message_created: () => many(['other'], { queryKey: ['messages'] }) } })
  write('7')
  await pass(1000)
  expect(api).toHaveBeenCalledTimes(1)
})

it('changes topics with the page, and repeats no toast', async () => {
  const toast = vi.fn()
  const more = { onEvent: { analysis_failed: toast } }
  const { server, api, write, show } = await page('7', more)
  const payload = { run_id: '1', error: 'no memory' }
  server.emit({ type: 'analysis_failed', payload, topics: ['topic_7', 'topic_8'] })
  await pass()
  show('8', more)
  await pass(1000)
  expect(toast.mock.calls).toEqual([[expect.objectContaining({ payload }), { own: false }]])
  api.mockClear()
  write('8')
  write('7')
  await pass(1000)
  expect(api.mock.calls).toEqual([['8']])
  expect(server.requests.map(r => `${r.type} ${r.topics}`)).toEqual(['join topic_7', 'join topic_8', 'leave topic_7'])
})

it('does not lose what arrived just before the page changed', async () => {
  const { queryClient, api, write, show } = await page('7')
  const messages = () => queryClient.getQueryState(['messages', 'topic', '7'])
  write('7')
  await pass()
  write('7')
  await pass(10)
  expect(api).toHaveBeenCalledTimes(1)
  show('8')
  await pass(1000)
  expect(messages()?.isInvalidated).toBe(true)
  show('7')
  await pass(1000)
  expect(api.mock.calls).toEqual([['7'], ['8'], ['7']])
})

it('knows its own mutations', async () => {
  const toast = vi.fn()
  const { server, client } = await page('7', { onEvent: { message_created: (_, { own }) => toast(own) } })
  const event = { type: 'message_created', payload: { topic_id: '7', id: '1' }, topics: ['topic_7'] } as const
  server.emit({ ...event, topics: ['topic_7'], mutation_id: client.newMutationId() })
  server.emit({ ...event, topics: ['topic_7'], mutation_id: 'theirs' })
  await pass()
  expect(toast.mock.calls).toEqual([[true], [false]])
})

it('refetches nothing when the connection comes back and nothing was missed, and all if something was', async () => {
  const { server, api, write, text } = await page('7')
  act(() => server.drop())
  await pass(5000)
  expect(text()).toContain('connected')
  expect(api).not.toHaveBeenCalled()
  act(() => server.drop())
  write('7')
  server.forget()
  await pass(5000)
  expect(api).toHaveBeenCalledTimes(1)
})

it('uses the QueryClient that it is given, and stops when it is not enabled', async () => {
  const other = new QueryClient()
  const invalidate = vi.spyOn(other, 'refetchQueries')
  const queryFn = vi.fn(() => 1)
  await other.prefetchQuery({ queryKey: ['messages'], queryFn })
  const options: Partial<QueryInvalidationOptions<Events>> = {
    queryClient: other,
    invalidate: { message_created: { queryKey: ['messages'], refetchType: 'all' } },
  }
  const { server, api, write, show } = await page('7', options)
  write('7')
  await pass(1000)
  expect(api).not.toHaveBeenCalled()
  expect(queryFn).toHaveBeenCalledTimes(2)
  show('7', { ...options, enabled: false })
  await pass(1000)
  write('7')
  await pass(1000)
  expect(queryFn).toHaveBeenCalledTimes(2)
  expect(server.connections).toBe(0)
  expect(invalidate).toHaveBeenCalledTimes(1)
})

it('goes over to another QueryClient', async () => {
  const { api, write, show } = await page('7')
  const other = new QueryClient()
  const queryFn = vi.fn(() => 1)
  await other.prefetchQuery({ queryKey: ['messages'], queryFn })
  show('7', { queryClient: other, invalidate: { message_created: { queryKey: ['messages'], refetchType: 'all' } } })
  write('7')
  await pass(1000)
  expect(queryFn).toHaveBeenCalledTimes(2)
  expect(api).not.toHaveBeenCalled()
})

it('keeps a component right that waits for its data', async () => {
  const server = fakeServer<Events>()
  const client = createClient<Events>({ url: 'ws://test/ws', WebSocket: server.WebSocket })
  const queryClient = new QueryClient({ defaultOptions: { queries: { staleTime: Number.POSITIVE_INFINITY } } })
  let written = 0
  function Messages() {
    const queryFn = () => {
      const answer = written
      return new Promise<number>(resolve => setTimeout(resolve, 500, answer))
    }
    return useSuspenseQuery({ queryKey: ['messages'], queryFn }).data
  }
  function Page() {
    useQueryInvalidation<Events>({ topics: ['topic_7'], invalidate: { message_created: ['messages'] } })
    return (
      <Suspense fallback="…">
        <Messages />
      </Suspense>
    )
  }
  const { container } = render(
    <QueryClientProvider client={queryClient}>
      <RowcastProvider client={client}>
        <Page />
      </RowcastProvider>
    </QueryClientProvider>,
  )
  await pass(100)
  written++
  server.emit({ type: 'message_created', payload: { topic_id: '7', id: '1' }, topics: ['topic_7'] })
  await pass(450)
  expect(container.textContent).toBe('0')
  await pass(2000)
  expect(container.textContent).toBe('1')
})

it('leaves nothing behind', async () => {
  const { server, queryClient, write, unmount } = await page('7')
  write('7')
  await pass()
  unmount()
  await pass(1000)
  expect(server.connections).toBe(0)
  expect(queryClient.getQueryCache().hasListeners()).toBe(false)
  expect(queryClient.getMutationCache().hasListeners()).toBe(false)
})
