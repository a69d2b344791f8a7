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

  test('one that throws breaks no other, and not the client; it is reported as any uncaught error', async () => {
    const microtask = queueMicrotask
    const reported: unknown[] = []
    vi.stubGlobal('queueMicrotask', (task: () => void) =>
      microtask(() => {
        try {
          task()
        } catch (error) {
          reported.push(error)
        }
      }),
    )
    const w = world()
    const { told, listener } = recorder()
    const broken = (what: string) => () => {
      throw what
    }
    w.client.onChange(broken('change'))
    w.client.subscribe(['a'], {
      onMessage: broken('message'),
      onEvent: broken('event'),
      onJoined: broken('joined'),
      onResync: broken('resync'),
    })
    w.client.subscribe(['a'], listener)
    await pass()
    w.server.emit(event('a'))
    w.server.resync()
    await pass()
    expect(told).toEqual(['joined a', 'x fake.1', 'resync * source_gap'])
    expect(w.warnings).toEqual([])
    expect(reported).toEqual(['change', 'change', 'joined', 'message', 'event', 'resync'])
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

  test('who comes late to a topic is told of what was missed shortly before', async () => {
    const w = world()
    w.client.subscribe(['a'])
    await pass()
    w.server.resync()
    await pass(1000)
    const { told, listener } = recorder()
    w.client.subscribe(['a'], listener)
    await pass()
    expect(told).toEqual(['joined a', 'resync * source_gap'])
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

  test('nobody hears anything after it has unsubscribed, whoever did it and when', async () => {
    for (const kind of ['onMessage', 'onEvent', 'onResync', 'onJoined'] as const) {
      const w = world()
      const ends: (() => void)[] = []
      const told: string[] = []
      const endAll = () => {
        for (const end of ends) end()
      }
      w.client.subscribe(['a'])
      for (const name of ['first', 'second']) {
        const hear = (what: string) => () => {
          told.push(`${name} ${what}`)
          if (what === kind) endAll()
        }
        const listener: Listener = {
          onMessage: hear('onMessage'),
          onEvent: hear('onEvent'),
          onResync: hear('onResync'),
          onJoined: hear('onJoined'),
        }
        ends.push(w.client.subscribe(['a'], listener))
      }
      await pass()
      w.server.emit(event('a'))
      w.server.resync()
      await pass()
      const all = ['first onJoined', 'second onJoined', 'first onMessage', 'first onEvent', 'second onMessage']
      all.push('second onEvent', 'first onResync', 'second onResync')
      expect(told).toEqual(all.slice(0, all.indexOf(`first ${kind}`) + 1))
    }
  })

  test('who subscribes in a callback hears the event that it was called with, once, and the next ones', async () => {
    const w = world()
    const { told, listener } = recorder()
    const once: Listener = {
      onEvent() {
        end()
        w.client.subscribe(['a'], listener)
      },
    }
    const end = w.client.subscribe(['a'], once)
    await pass()
    for (let i = 0; i < 2; i++) {
      w.server.emit(event('a'))
      await pass()
    }
    await pass(1000)
    expect(told).toEqual(['joined a', 'x fake.1', 'x fake.2'])
    expect(w.server.requests).toHaveLength(1)
  })

  test('one that ends and comes back in each callback makes no endless loop', async () => {
    const w = world()
    let resyncs = 0
    let changes = 0
    const listener: Listener = {
      onResync() {
        resyncs++
        end()
        end = w.client.subscribe(['a'], listener)
      },
    }
    let end = w.client.subscribe(['a'], listener)
    const change = () => {
      changes++
      stop()
      stop = w.client.onChange(change)
    }
    let stop = w.client.onChange(change)
    await pass()
    w.server.resync()
    await pass(1000)
    expect([resyncs, changes]).toEqual([1, 1])
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

  test('a thousand of them are known at least, and not all for ever', () => {
    const { client } = world({ random: Math.random })
    const ids = Array.from({ length: 2001 }, () => client.newMutationId())
    const own = ids.map(mutation_id => client.isOwn({ mutation_id }))
    expect(own.slice(-1000)).toEqual(Array(1000).fill(true))
    expect(own[0]).toBe(false)
    expect(client.isOwn({})).toBe(false)
  })
})

test.each([
  ['another', 1],
  ['mine', 0],
  [undefined, 0],
])('the server has the schema %s: %d warnings', async (schema, warnings) => {
  const w = world({ schema: 'mine', server: { schema } })
  w.client.subscribe([])
  await pass()
  expect(w.client.connectionState).toBe('connected')
  expect(w.warnings).toHaveLength(warnings)
})

test.each([
  ['development', 1],
  ['production', 0],
])('in %s warnings go to the console %d times', async (mode, times) => {
  const console_ = vi.spyOn(console, 'warn').mockReturnValue()
  vi.stubEnv('NODE_ENV', mode)
  const { client } = world({ warn: undefined, url: 'http://[' })
  client.subscribe([])
  await pass()
  expect(console_.mock.calls.map(([message]) => message)).toEqual(Array(times).fill('rowcast: cannot connect'))
  console_.mockRestore()
  vi.unstubAllEnvs()
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
