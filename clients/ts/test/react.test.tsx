// @vitest-environment jsdom
import { QueryClient } from '@tanstack/react-query'
import { act, cleanup, render, renderHook } from '@testing-library/react'
import { type ReactNode, StrictMode } from 'react'
import { hydrateRoot } from 'react-dom/client'
import { renderToString } from 'react-dom/server'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { createClient } from '../src/index.js'
import { RowcastProvider, useQueryInvalidation, useRowcast, useWebSocket, type WebSocketOptions } from '../src/react.js'
import { fakeServer } from '../src/testing.js'

interface Events {
  message_created: { topic_id: string; n: number }
}

Object.assign(globalThis, { IS_REACT_ACT_ENVIRONMENT: true })

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(async () => {
  cleanup()
  await pass(1000)
  vi.useRealTimers()
  vi.unstubAllGlobals()
  vi.restoreAllMocks()
})

const pass = (ms = 0) => act(() => vi.advanceTimersByTimeAsync(ms))

function world() {
  const server = fakeServer<Events>()
  const client = createClient<Events>({
    url: 'ws://test/ws',
    WebSocket: server.WebSocket,
    warn: () => {},
    random: () => 0,
  })
  const wrapper = ({ children }: { children?: ReactNode }) => (
    <RowcastProvider client={client}>{children}</RowcastProvider>
  )
  const emit = (n: number, ...topics: string[]) =>
    server.emit({ type: 'message_created', payload: { topic_id: '7', n }, topics })
  const asked = () => server.requests.map(({ type, topics }) => `${type} ${topics?.join()}`)
  return { server, client, wrapper, emit, asked }
}

type Options = WebSocketOptions<Events>
const hook = (wrapper: ReturnType<typeof world>['wrapper'], initialProps: Options) =>
  renderHook((options: Options) => useWebSocket<Events>(options), { wrapper, initialProps })

describe('useWebSocket', () => {
  it('gives messages to the callback, and the state of the connection', async () => {
    const { server, wrapper, emit } = world()
    const messages: unknown[] = []
    const { result } = hook(wrapper, { topics: ['topic_7'], onMessage: m => messages.push(JSON.parse(m.data).payload) })
    expect(result.current.connectionState).toBe('connecting')
    await pass()
    expect(result.current.connectionState).toBe('connected')
    emit(1, 'topic_7')
    emit(2, 'topic_8')
    server.send('no JSON')
    emit(3, 'topic_7')
    await pass()
    expect(messages).toEqual([
      { topic_id: '7', n: 1 },
      { topic_id: '7', n: 3 },
    ])
  })

  it('renders for no message', async () => {
    const { wrapper, emit } = world()
    let renders = 0
    renderHook(
      () => {
        renders++
        useWebSocket<Events>({ topics: ['a'], onMessage: () => {} })
      },
      { wrapper },
    )
    await pass()
    const before = renders
    for (let i = 0; i < 100; i++) emit(i, 'a')
    await pass(100)
    expect(renders).toBe(before)
  })

  it('calls the callbacks of the last render, and joins once', async () => {
    const { wrapper, emit, asked } = world()
    const told: string[] = []
    const options = (name: string): Options => ({
      topics: ['a', 'b'],
      onMessage: () => told.push(`${name} message`),
      onEvent: ({ payload }, { own }) => told.push(`${name} event ${payload.n} ${own}`),
    })
    const { rerender } = hook(wrapper, options('first'))
    await pass()
    rerender(options('second'))
    rerender({ ...options('third'), topics: ['b', 'a', 'b'] })
    emit(1, 'a')
    await pass(1000)
    expect(told).toEqual(['third message', 'third event 1 false'])
    expect(asked()).toEqual(['join a,b'])
  })

  it('joins new topics before it leaves old ones, and repeats no event', async () => {
    const { wrapper, emit, asked } = world()
    const onMessage = vi.fn()
    const { rerender } = hook(wrapper, { topics: ['a', 'b'], onMessage })
    await pass()
    emit(1, 'b')
    await pass()
    rerender({ topics: ['b', 'c'], onMessage })
    await pass(1000)
    emit(2, 'b', 'c')
    emit(3, 'a')
    await pass()
    expect(asked()).toEqual(['join a,b', 'join c', 'leave a'])
    expect(onMessage.mock.calls.map(([m]) => m.event.payload.n)).toEqual([1, 2])
  })

  it('joins nothing while it is not enabled', async () => {
    const { server, wrapper, asked } = world()
    const { rerender } = hook(wrapper, { topics: ['a'], enabled: false })
    await pass(1000)
    expect(server.attempts).toBe(0)
    rerender({ topics: ['a'], enabled: true })
    await pass()
    expect(asked()).toEqual(['join a'])
    rerender({ topics: ['a'], enabled: false })
    await pass(1000)
    expect(server.connections).toBe(0)
  })

  it('makes one socket and one join in StrictMode, and ends both', async () => {
    const { server, wrapper: Wrapper, asked, emit, client } = world()
    const onMessage = vi.fn()
    // Another component has had this event already: a listener that comes shortly after it is told.
    const early = client.subscribe(['a'])
    await pass()
    emit(0, 'a')
    await pass()
    const { unmount } = renderHook(() => useWebSocket<Events>({ topics: ['a'], onMessage }), {
      wrapper: ({ children }) => (
        <StrictMode>
          <Wrapper>{children}</Wrapper>
        </StrictMode>
      ),
    })
    await pass()
    early()
    await pass(1000)
    emit(1, 'a')
    await pass()
    expect(onMessage.mock.calls.map(([m]) => m.event.payload.n)).toEqual([0, 1])
    expect(server.attempts).toBe(1)
    expect(asked()).toEqual(['join a'])
    unmount()
    await pass(1000)
    expect(server.connections).toBe(0)
  })

  const queryClient = new QueryClient()
  it.each([
    ['useWebSocket', (topics: string[]) => useWebSocket<Events>({ topics })],
    ['useQueryInvalidation', (topics: string[]) => useQueryInvalidation<Events>({ topics, queryClient })],
  ])('%s goes over to another client', async (_, useIt) => {
    const [first, second] = [world(), world()]
    let { client } = first
    const wrapper = ({ children }: { children?: ReactNode }) => (
      <RowcastProvider client={client}>{children}</RowcastProvider>
    )
    const { rerender } = renderHook(() => useIt(['a']), { wrapper })
    await pass()
    client = second.client
    rerender()
    await pass(1000)
    expect(first.server.connections).toBe(0)
    expect(second.asked()).toEqual(['join a'])
  })

  it('shares the client with other components', async () => {
    const { server, wrapper: Wrapper, asked } = world()
    function Room({ name }: { name: string }) {
      const { connectionState } = useWebSocket({ topics: ['messages', name] })
      return <p>{connectionState}</p>
    }
    const { container } = render(
      <Wrapper>
        <Room name="a" />
        <Room name="b" />
      </Wrapper>,
    )
    await pass()
    expect(container.textContent).toBe('connectedconnected')
    expect(server.attempts).toBe(1)
    expect(asked()).toEqual(['join a,messages,b'])
  })

  it('tells what was refused, when the next attempt is, and tries at once', async () => {
    const { server, wrapper } = world()
    const { result } = hook(wrapper, { topics: ['a'] })
    await pass()
    server.refuse()
    act(() => server.drop())
    await pass()
    expect(result.current).toMatchObject({ connectionState: 'reconnecting', nextRetryAt: Date.now() + 1000 })
    await pass(1000)
    expect(result.current).toMatchObject({ connectionState: 'reconnecting', nextRetryAt: Date.now() + 2000 })
    server.accept()
    act(() => result.current.retry())
    await pass()
    expect(result.current).toMatchObject({ connectionState: 'connected', nextRetryAt: null, denied: {} })
  })

  it('tells that a topic was denied', async () => {
    const server = fakeServer({ deny: topic => (topic === 'b' ? { code: 'forbidden', message: 'no' } : undefined) })
    const client = createClient({ url: 'ws://test/ws', WebSocket: server.WebSocket, warn: () => {} })
    const { result } = renderHook(() => useWebSocket({ topics: ['a', 'b'] }), {
      wrapper: ({ children }) => <RowcastProvider client={client}>{children}</RowcastProvider>,
    })
    await pass()
    expect(result.current.denied).toEqual({ b: { code: 'forbidden', message: 'no' } })
  })

  it('passes on that something was missed, and what is joined', async () => {
    const { server, wrapper } = world()
    const onResync = vi.fn()
    const onJoined = vi.fn()
    hook(wrapper, { topics: ['a'], onResync, onJoined })
    await pass()
    expect(onJoined).toHaveBeenCalledWith(['a'])
    server.resync(['*'], 'truncate')
    await pass()
    expect(onResync).toHaveBeenCalledWith(expect.objectContaining({ reason: 'truncate' }))
  })

  it('is rendered on a server, and hydrated without complaint', async () => {
    const { server, wrapper: Wrapper } = world()
    const complaints = vi.spyOn(console, 'error')
    function Badge() {
      return <p>{useWebSocket({ topics: ['a'] }).connectionState}</p>
    }
    const page = (
      <Wrapper>
        <Badge />
      </Wrapper>
    )
    const container = document.createElement('div')
    container.innerHTML = renderToString(page)
    expect(container.textContent).toBe('connecting')
    expect(server.attempts).toBe(0)
    const root = await act(() => hydrateRoot(container, page))
    await pass()
    expect(container.textContent).toBe('connected')
    expect(complaints).not.toHaveBeenCalled()
    act(() => root.unmount())
  })
})

describe('useRowcast', () => {
  it('is the client for /ws without a provider, made when it is needed, one for all', async () => {
    const server = fakeServer()
    const urls: string[] = []
    vi.stubGlobal(
      'WebSocket',
      class extends server.WebSocket {
        constructor(url: string, protocols?: string | string[]) {
          super(url, protocols)
          urls.push(url)
        }
      },
    )
    const clients = new Set<unknown>()
    function Messages() {
      clients.add(useRowcast())
      const { connectionState } = useWebSocket({ topics: ['messages'], onMessage: m => JSON.parse(m.data) })
      return <p>{connectionState}</p>
    }
    const { container } = render(
      <>
        <Messages />
        <Messages />
      </>,
    )
    await pass()
    expect(container.textContent).toBe('connectedconnected')
    expect(urls).toEqual(['ws://localhost:3000/ws'])
    expect(clients.size).toBe(1)
  })
})
