import { describe, expect, test, vi } from 'vitest'
import type { Listener } from '../src/index.js'
import { pass, recorder, useFakeTime, world } from './world.js'

useFakeTime()

const event = (topic: string) => ({ type: 'x', topics: [topic], payload: {} })

describe('listeners', () => {
  test('each gets the events of its topics, as text and as value', async () => {
    const w = world()
    const data: string[] = []
    const { told, listener } = recorder()
    w.client.subscribe(['a'], { onMessage: m => data.push(m.data) })
    w.client.subscribe(['a', 'b'], listener)
    w.client.subscribe(['c'], { onEvent: () => expect.unreachable() })
    await pass()
    const sent = w.server.emit({ ...event('a'), topics: ['a', 'b'] })
    await pass()
    expect(told.slice(1)).toEqual(['x fake.1'])
    expect(data.map(d => JSON.parse(d))).toEqual([sent])
  })

  test('one that throws breaks no other, and not the client', async () => {
    const w = world({ development: true })
    const { told, listener } = recorder()
    const broken = () => {
      throw new Error('of the application')
    }
    const all: Listener = { onMessage: broken, onEvent: broken, onJoined: broken, onResync: broken }
    w.client.onChange(broken)
    w.client.subscribe(['a'], all)
    w.client.subscribe(['a'], listener)
    await pass()
    w.server.emit(event('a'))
    w.server.resync()
    await pass()
    expect(told).toEqual(['joined a', 'x fake.1', 'resync * source_gap'])
    expect(w.warnings).toEqual(Array(w.warnings.length).fill('a listener threw'))
    expect(w.warnings.length).toBeGreaterThanOrEqual(5)
  })

  test('in production it is reported as any other uncaught error', async () => {
    const w = world({ development: false })
    const tasks: (() => void)[] = []
    vi.stubGlobal('queueMicrotask', (task: () => void) => tasks.push(task))
    const stop = w.client.onChange(() => {
      throw new Error('of the application')
    })
    w.client.close()
    stop()
    expect(tasks).toHaveLength(1)
    expect(tasks[0]).toThrow('of the application')
    expect(w.warnings).toEqual([])
  })

  test('frames that are no events break nothing, are counted, and warned about once', async () => {
    const w = world()
    const { told, listener } = recorder()
    w.client.subscribe(['a'], listener)
    await pass()
    for (const frame of ['', '{', '[]', '{"type":"x"}', { type: '$unknown', payload: {} }]) w.server.send(frame)
    w.server.emit(event('a'))
    await pass()
    expect(told).toEqual(['joined a', 'x fake.1'])
    expect(w.client.badFrames).toBe(4)
    expect(w.warnings).toHaveLength(1)
  })

  test('a replay may repeat events, a listener hears them once', async () => {
    const w = world()
    const { told, listener } = recorder()
    w.client.subscribe(['a'], listener)
    await pass()
    const sent = w.server.emit(event('a'))
    w.server.send(sent)
    w.server.send({ ...sent, id: undefined })
    w.server.send({ ...sent, id: undefined })
    await pass()
    expect(told.slice(1)).toEqual(['x fake.1', 'x undefined', 'x undefined'])
  })

  test('who comes late to a topic gets what came shortly before, but not what is older', async () => {
    const w = world()
    w.client.subscribe(['a'])
    await pass()
    w.server.emit(event('a'))
    await pass(1000)
    w.server.emit(event('a'))
    await pass(1500)
    const { told, listener } = recorder()
    w.client.subscribe(['a'], listener)
    w.client.subscribe(['a'], recorder().listener)()
    await pass()
    w.server.emit(event('a'))
    await pass()
    expect(told).toEqual(['joined a', 'x fake.2', 'x fake.3'])
    expect(w.server.requests).toHaveLength(1)
  })

  test('an event that came through another topic is not lost for a topic that joins with a lookback', async () => {
    const w = world()
    w.client.subscribe(['a'])
    await pass()
    w.server.emit({ ...event('a'), topics: ['a', 'b'] })
    await pass()
    const { told, listener } = recorder()
    w.client.subscribe(['b'], listener)
    await pass()
    expect(told).toEqual(['x fake.1', 'joined b'])
  })

  test('nobody hears anything after it has unsubscribed', async () => {
    const w = world()
    const { told, listener } = recorder()
    w.client.subscribe(['a'])
    const end = w.client.subscribe(['a'], { onEvent: () => end() })
    w.client.subscribe(['a'], { onEvent: () => stop() })
    const stop = w.client.subscribe(['a'], listener)
    await pass()
    w.server.emit(event('a'))
    await pass()
    expect(told).toEqual(['joined a'])
  })
})

describe('mutations', () => {
  test('own is true for the ids it gave out', async () => {
    const w = world({ random: Math.random })
    const own: boolean[] = []
    w.client.subscribe(['a'], { onEvent: (_, context) => own.push(context.own) })
    await pass()
    const id = w.client.newMutationId()
    expect(w.client.newMutationId()).not.toBe(id)
    for (const mutation_id of [id, 'somebody', undefined]) w.server.emit({ ...event('a'), mutation_id })
    await pass()
    expect(own).toEqual([true, false, false])
  })

  test('a thousand of them are known', () => {
    const { client } = world({ random: Math.random })
    const ids = Array.from({ length: 1001 }, () => client.newMutationId())
    expect(ids.map(mutation_id => client.isOwn({ mutation_id }))).toEqual([false, ...Array(1000).fill(true)])
    expect(client.isOwn({})).toBe(false)
  })
})

describe('the schema', () => {
  test.each([
    ['another', true, 1],
    ['another', false, 0],
    ['mine', true, 0],
    [undefined, true, 0],
  ])('server %s, development %s: %d warnings', async (schema, development, warnings) => {
    const w = world({ schema: 'mine', development, server: { schema } })
    w.client.subscribe([])
    await pass()
    expect(w.client.connectionState).toBe('connected')
    expect(w.warnings).toHaveLength(warnings)
  })
})

test('on a server nothing is missing: a client can be made, and says that it connects', async () => {
  for (const name of ['WebSocket', 'document', 'location', 'addEventListener', 'process'])
    vi.stubGlobal(name, undefined)
  vi.resetModules()
  const { createClient } = await import('../src/index.js')
  expect(createClient().connectionState).toBe('connecting')
  expect(vi.getTimerCount()).toBe(0)
})

test('who listens to changes is told about each, and not after it has stopped', async () => {
  const w = world()
  let changes = 0
  const callback = () => changes++
  const stop = w.client.onChange(callback)
  w.client.onChange(callback)
  w.client.subscribe(['a'])
  await pass()
  expect(changes).toBe(4) // connecting, connected; twice each
  stop()
  w.server.drop()
  expect(changes).toBe(5)
})
