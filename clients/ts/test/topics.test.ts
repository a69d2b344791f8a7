import { describe, expect, test, vi } from 'vitest'
import { pass, recorder, useFakeTime, world } from './world.js'

useFakeTime()

const asked = ({ server }: ReturnType<typeof world>, type: string) => server.requests.filter(r => r.type === type)
const joins = (w: ReturnType<typeof world>) => asked(w, 'join').map(({ type, ref, ...rest }) => rest)

describe('joining', () => {
  test('what is wanted in one go becomes one frame, each topic once', async () => {
    const w = world()
    await w.client.subscribe(['a'])
    await pass()
    w.client.subscribe(['b', 'c'])
    w.client.subscribe(['c', 'a'])
    await pass()
    expect(joins(w)).toEqual([
      { topics: ['a'], lookback_ms: 2000 },
      { topics: ['b', 'c'], lookback_ms: 2000 },
    ])
  })

  test("StrictMode's double mount is one socket and one join", async () => {
    const w = world()
    for (let i = 0; i < 2; i++) w.client.subscribe(['a'])()
    await pass()
    w.client.subscribe(['a'])
    await pass(1000)
    expect(w.server.attempts).toBe(1)
    expect(w.server.requests.map(r => r.type)).toEqual(['join'])
  })

  test('a topic is left once nobody has wanted it for 250 ms, and the rest stays', async () => {
    const w = world()
    w.client.subscribe(['a', 'b'])
    const leave = w.client.subscribe(['b', 'c'])
    await pass()
    leave()
    leave()
    await pass(249)
    expect(asked(w, 'leave')).toEqual([])
    await pass(1)
    expect(asked(w, 'leave')).toEqual([{ type: 'leave', topics: ['c'] }])
  })

  test('what ended with the connection is not left on the next one', async () => {
    const w = world()
    w.client.subscribe(['a'])()
    await pass(250)
    w.client.subscribe(['a'])
    await pass()
    expect(w.server.attempts).toBe(2)
    expect(asked(w, 'leave')).toEqual([])
  })

  test('never more names than fit into a frame, the next ones after the answer', async () => {
    const w = world({ server: { maxTopics: 1e6 } })
    const names = Array.from({ length: 10_000 }, (_, i) => `${i}`.padEnd(200, '.'))
    const leave = w.client.subscribe(names)
    w.client.subscribe([])
    await pass()
    leave()
    await pass(250)
    for (const type of ['join', 'leave']) {
      const frames = asked(w, type)
      expect(frames.flatMap(f => f.topics ?? [])).toEqual(names)
      for (const frame of frames) expect(JSON.stringify(frame).length).toBeLessThan(65_536)
    }
    expect(asked(w, 'join').length).toBeLessThan(50) // as many as a server takes in a second
  })

  test('a lookback covers the time that the connection took', async () => {
    const w = world()
    w.server.refuse()
    w.client.subscribe(['a'])
    await pass(3000)
    w.server.accept()
    await pass(4000)
    expect(joins(w)).toEqual([{ topics: ['a'], lookback_ms: 2000 + 1000 + 2000 + 4000 }])
  })

  test('a lookback further than the server looks back is followed by a resync', async () => {
    const w = world({ server: { lookbackMs: 10_000 } })
    const { told, listener } = recorder()
    w.server.refuse()
    w.client.subscribe(['a'], listener)
    await pass(14_000)
    w.server.accept()
    await pass(1000)
    expect(joins(w)).toEqual([{ topics: ['a'], lookback_ms: 17_000 }])
    expect(told).toEqual(['joined a', 'resync a history_gap'])
  })

  test.each([
    ['back', -3_600_000],
    ['forward', 3_600_000],
  ])('a clock that is set %s makes no lookback too short', async (_, jump) => {
    const w = world()
    w.server.refuse()
    w.client.subscribe(['a'])
    await pass(1000)
    vi.setSystemTime(Date.now() + jump)
    await pass(1000)
    w.server.accept()
    await pass(1000)
    expect(joins(w)[0]?.lookback_ms).toBeGreaterThanOrEqual(2000 + 3000)
    expect(joins(w)[0]?.lookback_ms).toBeLessThanOrEqual(2000 + 3000 + Math.max(jump, 0))
  })

  test('left and wanted again while the join is under way: joined again', async () => {
    const queue: (() => void)[] = []
    const w = world({ lingerMs: 0, server: { later: task => queue.push(task) } })
    const run = async () => {
      while (queue.length) {
        queue.shift()?.()
        await pass()
      }
    }
    w.client.subscribe([])
    await pass()
    await run()
    w.client.subscribe(['a'])()
    await pass()
    const { told, listener } = recorder()
    w.client.subscribe(['a'], listener)
    await run()
    expect(w.server.requests.map(r => r.type)).toEqual(['join', 'leave', 'join'])
    w.server.emit({ type: 'x', topics: ['a'], payload: {} })
    await run()
    expect(told).toEqual(['joined a', 'x fake.1'])
  })
})

describe('coming back', () => {
  test('each topic since the newest cursor: nothing missed, nothing asked for', async () => {
    const w = world()
    const { told, listener } = recorder()
    w.client.subscribe(['a', 'b'], listener)
    await pass()
    w.server.emit({ type: 'x', topics: ['a'], payload: {} })
    w.server.emit({ type: 'y', topics: ['b'], payload: {} })
    await pass()
    w.server.drop()
    w.server.emit({ type: 'z', topics: ['a', 'b'], payload: {} })
    await pass(1000)
    expect(joins(w).at(-1)).toEqual({ topics: ['a', 'b'], since: 'c2' })
    expect(told).toEqual(['joined a,b', 'x fake.1', 'y fake.2', 'z fake.3', 'joined a,b'])
  })

  test('a $ping moves the cursor, a $welcome never does', async () => {
    const w = world()
    w.client.subscribe(['a'])
    await pass()
    w.server.emit({ type: 'x', topics: ['elsewhere'], payload: {} })
    w.server.drop()
    await pass(1000)
    expect(joins(w).at(-1)?.since).toBe('c0')
    w.server.emit({ type: 'x', topics: ['elsewhere'], payload: {} })
    w.server.ping()
    await pass()
    w.server.drop()
    await pass(2000)
    expect(joins(w).at(-1)?.since).toBe('c2')
  })

  test('a topic wanted meanwhile looks back, and leaves the cursors of the others alone', async () => {
    const w = world()
    w.client.subscribe(['a'])
    await pass()
    w.server.drop()
    w.client.subscribe(['b'])
    await pass(1000)
    expect(joins(w).slice(1)).toEqual([
      { topics: ['a'], since: 'c0' },
      { topics: ['b'], lookback_ms: 3000 },
    ])
  })

  test('a cursor that comes while a join is unanswered is not taken over', async () => {
    let held: (() => void)[] | undefined
    const later = (task: () => void) => {
      if (held) held.push(task)
      else queueMicrotask(task)
    }
    const w = world({ server: { later } })
    w.client.subscribe(['a'])
    await pass()
    held = []
    w.client.subscribe(['b'])
    await pass()
    held.length = 0 // the join is lost on its way
    held = undefined
    w.server.emit({ type: 'x', topics: ['a', 'b'], payload: {} })
    w.server.ping()
    await pass()
    w.server.drop()
    await pass(1000)
    expect(joins(w).slice(1)).toEqual([
      { topics: ['a'], since: 'c0' },
      { topics: ['b'], lookback_ms: 3000 },
    ])
  })

  test('recovered: false is a debt, paid by the $resync', async () => {
    const w = world()
    const { told, listener } = recorder()
    w.client.subscribe(['a'], listener)
    await pass()
    w.server.drop()
    w.server.forget()
    w.server.emit({ type: 'x', topics: ['a'], payload: {} })
    w.server.forget()
    await pass(1000)
    expect(told).toEqual(['joined a', 'joined a', 'resync a cursor_expired'])
    w.server.drop()
    await pass(2000)
    expect(told).toEqual(['joined a', 'joined a', 'resync a cursor_expired', 'joined a'])
  })

  test('or by nobody, when the topic was left before', async () => {
    let frames = Number.POSITIVE_INFINITY // that still get through
    const later = (task: () => void) => void (frames-- > 0 && queueMicrotask(task))
    const w = world({ server: { later } })
    const leave = w.client.subscribe(['a'])
    w.client.subscribe(['b'])
    await pass()
    w.server.drop()
    w.server.emit({ type: 'x', topics: ['a'], payload: {} })
    w.server.forget()
    frames = 5 // open, $welcome, the join, its end, $joined
    await pass(1000)
    frames = Number.POSITIVE_INFINITY
    leave()
    await pass(5000)
    const { told, listener } = recorder()
    w.client.subscribe(['a'], listener)
    await pass()
    w.server.drop()
    expect(told).toEqual(['joined a'])
  })

  test('or by the client itself if the connection breaks before, once', async () => {
    let frames = Number.POSITIVE_INFINITY // that still get through
    const later = (task: () => void) => void (frames-- > 0 && queueMicrotask(task))
    const w = world({ server: { later } })
    const { told, listener } = recorder()
    w.client.subscribe(['a', 'b'], listener)
    await pass()
    w.server.drop()
    w.server.emit({ type: 'x', topics: ['a'], payload: {} })
    w.server.forget()
    frames = 5 // open, $welcome, the join, its end, $joined
    await pass(1000)
    frames = Number.POSITIVE_INFINITY
    expect(told).toEqual(['joined a,b', 'joined a,b'])
    w.server.drop()
    expect(told.slice(2)).toEqual(['resync a,b history_gap'])
    await pass(2000)
    w.server.drop()
    await pass(4000)
    expect(told.slice(3)).toEqual(['joined a,b', 'joined a,b'])
  })
})

describe('resync', () => {
  test('reaches the listeners whose topics are meant', async () => {
    const w = world()
    const a = recorder()
    const b = recorder()
    w.client.subscribe(['topic_1'], a.listener)
    w.client.subscribe(['topic_2', 'messages'], b.listener)
    await pass()
    a.told.length = b.told.length = 0
    for (const topics of [['topic_1'], ['messages', 'topic_1'], ['topic_*'], ['*'], ['other']]) w.server.resync(topics)
    await pass()
    expect(a.told.map(t => t.split(' ')[1])).toEqual(['topic_1', 'messages,topic_1', 'topic_*', '*'])
    expect(b.told.map(t => t.split(' ')[1])).toEqual(['messages,topic_1', 'topic_*', '*'])
  })
})

describe('denied', () => {
  test('stays, until the next connection asks again', async () => {
    let denied = true
    const deny = (topic: string) => (denied && topic === 'b' ? { code: 'forbidden', message: 'no' } : undefined)
    const w = world({ server: { deny } })
    const none = w.client.denied
    let changes = 0
    w.client.onChange(() => changes++)
    w.client.subscribe(['a', 'b'])
    await pass()
    expect(w.client.denied).toEqual({ b: { code: 'forbidden', message: 'no' } })
    expect(w.client.denied).not.toBe(none)
    const before = [w.client.denied, joins(w).length, changes] as const
    await pass(1e5)
    expect([w.client.denied, joins(w).length, changes]).toEqual(before)
    expect(w.client.denied).toBe(before[0])
    denied = false
    w.server.drop()
    await pass(1000)
    expect(w.client.denied).toEqual({})
  })

  test('is asked for again by retry(), on the living connection', async () => {
    let denied = true
    const w = world({
      server: { deny: topic => (denied && topic === 'b' ? { code: 'forbidden', message: '' } : undefined) },
    })
    w.client.subscribe(['a', 'b'])
    await pass()
    denied = false
    w.client.retry()
    await pass()
    expect(w.client.denied).toEqual({})
    expect(joins(w).map(({ topics }) => topics)).toEqual([['a', 'b'], ['b']])
    w.client.retry()
    await pass()
    expect(joins(w)).toHaveLength(2)
    expect(w.server.attempts).toBe(1)
  })

  test('retry() does not multiply what is asked for by itself', async () => {
    const w = world({ server: { deny: () => ({ code: 'unavailable', message: '' }) } })
    w.client.subscribe(['a'])
    await pass()
    for (let i = 0; i < 3; i++) {
      w.client.retry()
      await pass()
    }
    expect(joins(w)).toHaveLength(4)
    await pass(8000) // the fourth wait
    expect(joins(w)).toHaveLength(5)
  })

  test.each(['unavailable', 'rate_limited', 'too_many_topics'])(
    '%s is asked for again after 1, 2, 4 … s, with what it was asked for',
    async code => {
      let denied = false
      const w = world({ server: { deny: () => (denied ? { code, message: '' } : undefined) } })
      w.client.subscribe(['a'])
      await pass()
      w.server.drop()
      denied = true
      await pass(1000)
      expect(Object.keys(w.client.denied)).toEqual(['a'])
      w.server.emit({ type: 'x', topics: ['a'], payload: {} })
      w.server.ping()
      await pass(1000)
      await pass(2000)
      denied = false
      await pass(3999)
      expect(joins(w)).toHaveLength(4)
      await pass(1)
      expect(joins(w).slice(1)).toEqual(Array(4).fill({ topics: ['a'], since: 'c0' }))
      expect(w.client.denied).toEqual({})
      denied = true
      w.client.subscribe(['b'])
      await pass(1000)
      expect(joins(w)).toHaveLength(7) // the waits begin anew
    },
  )

  test('an $error for the frame is one for each of its topics', async () => {
    let held = false
    const w = world({ server: { later: task => void (held || queueMicrotask(task)) } })
    w.client.subscribe(['a'])
    await pass()
    held = true
    w.client.subscribe(['b', 'c'])
    await pass()
    held = false
    w.server.send({ type: '$error', payload: { code: 'bad_frame', message: 'something else' } })
    w.server.send({ type: '$error', ref: 1, payload: { code: 'bad_frame', message: 'something else' } })
    await pass()
    expect(w.client.denied).toEqual({})
    w.server.send({ type: '$error', ref: 2, payload: { code: 'bad_frame', message: 'what?' } })
    await pass()
    const why = { code: 'bad_frame', message: 'what?' }
    expect(w.client.denied).toEqual({ b: why, c: why })
  })

  test('a revoked topic is denied, and joined again from where it was on the next connection', async () => {
    const w = world()
    w.client.subscribe(['a', 'b'])
    await pass()
    w.server.send({ type: '$left', payload: { topics: ['a'], code: 'revoked' } })
    await pass()
    expect(w.client.denied).toEqual({ a: { code: 'revoked', message: '' } })
    w.server.emit({ type: 'x', topics: ['b'], payload: {} })
    await pass()
    w.server.drop()
    await pass(1000)
    expect(joins(w).slice(1)).toEqual([
      { topics: ['a'], since: 'c0' },
      { topics: ['b'], since: 'c1' },
    ])
  })

  test('is forgotten with the last listener', async () => {
    const w = world({ server: { deny: () => ({ code: 'forbidden', message: '' }) } })
    const leave = w.client.subscribe(['a'])
    w.client.subscribe([])
    await pass()
    expect(w.client.denied).toHaveProperty('a')
    leave()
    await pass(250)
    expect(w.client.denied).toEqual({})
    expect(asked(w, 'leave')).toEqual([])
  })
})
