import { describe, expect, test, vi } from 'vitest'
import { document, pass, recorder, useFakeTime, window, world } from './world.js'

useFakeTime()

async function connected(options?: Parameters<typeof world>[0]) {
  const w = world(options)
  const unsubscribe = w.client.subscribe(['messages'])
  await pass()
  expect(w.client.connectionState).toBe('connected')
  return { ...w, unsubscribe }
}

/** The waits until the client tries again, as long as it says that one is planned. */
async function waits({ client, server }: ReturnType<typeof world>, n: number) {
  const delays: number[] = []
  for (let i = 0; i < n; i++) {
    const before = server.attempts
    const delay = (client.nextRetryAt ?? Number.NaN) - Date.now()
    await pass(delay - 1)
    expect(server.attempts).toBe(before)
    await pass(1)
    expect(server.attempts).toBe(before + 1)
    delays.push(delay)
  }
  return delays
}

describe('connecting', () => {
  test('nobody subscribed: nothing happens', async () => {
    const { client, server } = world()
    client.retry()
    client.authChanged()
    await pass(1e5)
    expect(server.attempts).toBe(0)
    expect(client.connectionState).toBe('connecting')
    expect(vi.getTimerCount()).toBe(0)
  })

  test('is connected at $welcome, not when the socket opens', async () => {
    const { client, server, states } = world({ server: { token: () => true } })
    client.subscribe(['messages'])
    await pass(9999) // open, but without a token there is no $welcome
    expect(server.connections).toBe(1)
    expect(states).toEqual(['connecting'])
    await pass(1)
    expect(states).toEqual(['connecting', 'reconnecting'])
    expect(server.connections).toBe(0)
  })

  test('an URL that never comes is given up, too', async () => {
    const { client, states } = world({ url: () => new Promise<string>(() => {}) })
    client.subscribe([])
    await pass(10_000)
    expect(states).toEqual(['connecting', 'reconnecting'])
    expect(client.nextRetryAt).toBe(Date.now() + 1000)
  })

  test('http becomes ws, and a function is asked each time', async () => {
    const urls: string[] = []
    const { client } = world({
      url: () => `https://example.test/${urls.length}`,
      WebSocket: class {
        constructor(url: string) {
          urls.push(url)
          throw new Error('refused')
        }
      } as never,
    })
    client.subscribe([])
    await pass(1000)
    expect(urls).toEqual(['wss://example.test/0', 'wss://example.test/1'])
  })
})

describe('coming back', () => {
  test('after 1, 2, 4, 8 and 16 s, then gives up, but probes every 30 to 60 s', async () => {
    const w = await connected()
    w.server.refuse()
    w.server.drop()
    expect(w.client.connectionState).toBe('reconnecting')
    expect(await waits(w, 5)).toEqual([1000, 2000, 4000, 8000, 16_000])
    expect(w.client.connectionState).toBe('disconnected')
    expect(await waits(w, 3)).toEqual([30_000, 30_000, 30_000])
    expect(w.states).toEqual(['connecting', 'connected', 'reconnecting', 'disconnected'])
    w.server.accept()
    await pass(30_000)
    expect(w.client.connectionState).toBe('connected')
    expect(w.client.nextRetryAt).toBeNull()
  })

  test('randomness adds up to a quarter, and spreads the probe', async () => {
    const w = await connected({ random: () => 1 })
    w.server.refuse()
    w.server.drop()
    expect(await waits(w, 7)).toEqual([1250, 2500, 5000, 10_000, 20_000, 60_000, 60_000])
  })

  test('the first connection is tried as often', async () => {
    const w = world({ backoff: { attempts: 2, baseMs: 10, factor: 3, maxMs: 20, probeMs: [100, 100] } })
    w.server.refuse()
    w.client.subscribe([])
    await pass()
    expect(await waits(w, 3)).toEqual([10, 20, 100])
    expect(w.states).toEqual(['connecting', 'reconnecting', 'disconnected'])
  })

  test('a connection that lives less than 5 s does not start the count anew', async () => {
    const w = await connected()
    await pass(4999)
    w.server.drop()
    expect(await waits(w, 1)).toEqual([1000])
    await pass(4999)
    w.server.drop()
    expect(await waits(w, 1)).toEqual([2000])
    await pass(5000)
    w.server.drop()
    expect(await waits(w, 1)).toEqual([1000])
  })

  test('comes back when $bye says; with back-off if that fails', async () => {
    const w = await connected()
    await pass(5000)
    w.server.bye(1400)
    await pass()
    expect(w.client.connectionState).toBe('reconnecting')
    w.server.refuse()
    expect(await waits(w, 2)).toEqual([1400, 2000])
  })

  test('one $bye after the other makes nobody hurry', async () => {
    const w = await connected()
    for (const wait of [100, 2000, 4000]) {
      w.server.bye(100)
      await pass()
      expect(await waits(w, 1)).toEqual([wait])
      await pass()
    }
  })

  test('a senseless retry_after_ms is cut', async () => {
    const w = await connected()
    w.server.bye(1e12)
    await pass()
    expect(w.client.nextRetryAt).toBe(Date.now() + 60_000)
  })

  test('$bye without reconnect is final', async () => {
    const w = await connected()
    w.server.send({ type: '$bye', payload: { code: 1012, reconnect: false } })
    await pass()
    w.server.drop(1012)
    await pass(1e5)
    expect(w.states.at(-1)).toBe('disconnected')
    expect(w.server.attempts).toBe(1)
  })

  test.each([1000, 1001, 1005, 1006, 1011, 1012, 1013, 4000, 4408, 4413, 4429])('%d comes back', async code => {
    const w = await connected()
    w.server.drop(code)
    await pass(1000)
    expect(w.states).toEqual(['connecting', 'connected', 'reconnecting', 'connected'])
  })

  test.each([1002, 1003, 1007, 1009, 4400, 4401, 4403, 4404])('%d does not, until it is told to', async code => {
    const w = await connected()
    w.server.drop(code)
    await pass(1e5)
    window.dispatch('online')
    window.dispatch('pageshow')
    document.dispatch('visibilitychange')
    await pass(1e5)
    expect(w.states).toEqual(['connecting', 'connected', 'disconnected'])
    expect(w.client.nextRetryAt).toBeNull()
    expect(w.server.attempts).toBe(1)
    w.client.retry()
    await pass()
    expect(w.client.connectionState).toBe('connected')
  })
})

describe('silence', () => {
  test('asks after a heartbeat and 5 s, gives up after 5 more', async () => {
    const w = await connected({ server: { heartbeatMs: 1000 } })
    const asked = () => w.server.requests.filter(r => r.type === 'ping').length
    await pass(5999)
    expect(asked()).toBe(0)
    await pass(1)
    expect(asked()).toBe(1) // and it was answered
    await pass(5999)
    w.server.ping()
    await pass(5999)
    expect(asked()).toBe(1)
    expect(w.states).toEqual(['connecting', 'connected'])
  })

  test('before the first frame after $welcome, too', async () => {
    const w = world()
    w.client.subscribe([])
    await pass(29_999)
    expect(w.server.requests).toEqual([])
    await pass(10_000)
    expect(w.server.requests).toEqual([{ type: 'ping' }])
    expect(w.states).toEqual(['connecting', 'connected'])
  })

  test('a server that does not answer is left', async () => {
    let deaf = false
    const w = await connected({
      server: {
        heartbeatMs: 1000,
        later: task => {
          if (!deaf) queueMicrotask(task)
        },
      },
    })
    deaf = true
    await pass(10_999)
    expect(w.states).toEqual(['connecting', 'connected'])
    await pass(1)
    expect(w.states).toEqual(['connecting', 'connected', 'reconnecting'])
  })
})

describe('what the page knows', () => {
  test.each(['online', 'pageshow'])('%s connects at once, with all attempts before it', async type => {
    const w = await connected()
    w.server.refuse()
    w.server.drop()
    await waits(w, 4)
    window.dispatch(type)
    await pass()
    expect(w.server.attempts).toBe(6)
    expect(await waits(w, 2)).toEqual([1000, 2000])
  })

  test('a tab that becomes visible revives what gave up, a hidden one does not', async () => {
    const w = await connected()
    w.server.refuse()
    w.server.drop()
    await waits(w, 5)
    w.server.accept()
    document.visibilityState = 'hidden'
    document.dispatch('visibilitychange')
    await pass()
    expect(w.client.connectionState).toBe('disconnected')
    document.visibilityState = 'visible'
    document.dispatch('visibilitychange')
    expect(w.client.connectionState).toBe('reconnecting')
    await pass()
    expect(w.client.connectionState).toBe('connected')
    expect(w.server.attempts).toBe(7)
  })

  test('retry() does, too', async () => {
    const w = await connected()
    w.server.refuse()
    w.server.drop()
    await waits(w, 5)
    w.server.accept()
    w.client.retry()
    await pass()
    expect(w.states.slice(-3)).toEqual(['disconnected', 'reconnecting', 'connected'])
  })

  test('offline breaks the connection', async () => {
    const w = await connected()
    window.dispatch('offline')
    expect(w.client.connectionState).toBe('reconnecting')
    window.dispatch('online')
    await pass()
    expect(w.client.connectionState).toBe('connected')
    expect(w.server.connections).toBe(1)
  })

  test('a page that wakes asks whether its connection lives', async () => {
    let deaf = false
    const later = (task: () => void) => {
      if (!deaf) queueMicrotask(task)
    }
    const w = await connected({ server: { later } })
    document.dispatch('resume')
    await pass(5000)
    expect(w.server.requests.at(-1)).toEqual({ type: 'ping' })
    expect(w.client.connectionState).toBe('connected')
    deaf = true // the network has gone while the page slept
    window.dispatch('pageshow')
    await pass(5000)
    expect(w.client.connectionState).toBe('reconnecting')
  })

  test('a client without listeners hears nothing and leaves no timer', async () => {
    const w = await connected()
    expect([...window.heard, ...document.heard].sort()).toEqual([
      'offline',
      'online',
      'pageshow',
      'resume',
      'visibilitychange',
    ])
    w.unsubscribe()
    await pass(250)
    expect(w.client.connectionState).toBe('connecting')
    expect(w.server.connections).toBe(0)
    expect(window.heard.size + document.heard.size).toBe(0)
    expect(vi.getTimerCount()).toBe(0)
  })
})

describe('closed by the user', () => {
  test('nothing revives it but subscribe and retry', async () => {
    const w = await connected()
    w.client.close()
    expect(w.client.connectionState).toBe('disconnected')
    window.dispatch('online')
    await pass(1e5)
    expect(w.server.connections).toBe(0)
    expect(w.server.attempts).toBe(1)
    w.client.retry()
    await pass()
    expect(w.server.connections).toBe(1)
    w.client.close()
    w.client.subscribe(['messages'])
    await pass()
    expect(w.server.connections).toBe(1)
  })

  test('at every moment of connecting', async () => {
    for (let tasks = 0; tasks < 6; tasks++) {
      const queue: (() => void)[] = []
      const w = world({ server: { later: task => queue.push(task) } })
      w.client.subscribe(['messages'])
      await pass()
      for (let i = 0; i < tasks; i++) {
        queue.shift()?.()
        await pass()
      }
      w.client.close()
      while (queue.length) queue.shift()?.()
      await pass(1e5)
      expect(w.states.at(-1)).toBe('disconnected')
      expect(w.server.connections).toBe(0)
      expect(w.server.attempts).toBe(1)
    }
  })
})

describe('tokens', () => {
  const good = (token: string) => token.startsWith('good')

  test('the token is the first frame', async () => {
    const w = await connected({ token: () => 'good', server: { token: good } })
    expect(w.server.requests.map(r => r.type)).toEqual(['auth', 'join'])
  })

  test('a refused one is fetched anew once, at once', async () => {
    const tokens = ['bad', 'good']
    const w = world({ token: async () => tokens.shift() ?? 'none', server: { token: good } })
    w.client.subscribe(['messages'])
    await pass()
    await pass()
    expect(w.states).toEqual(['connecting', 'connected'])
    expect(w.server.attempts).toBe(2)
  })

  test('two refused ones are final', async () => {
    const w = world({ token: () => 'bad', server: { token: good } })
    w.client.subscribe(['messages'])
    await pass(1e5)
    expect(w.states).toEqual(['connecting', 'disconnected'])
    expect(w.server.attempts).toBe(2)
  })

  test('a server that welcomes and then refuses makes no endless loop', async () => {
    const w = await connected({ token: () => 'good', server: { token: good } })
    w.server.drop(4401)
    await pass()
    expect(w.client.connectionState).toBe('connected')
    w.server.drop(4401)
    await pass(1e5)
    expect(w.client.connectionState).toBe('disconnected')
  })

  test('one that expires after a while is renewed', async () => {
    const w = await connected({ token: () => 'good', server: { token: good } })
    for (let i = 0; i < 3; i++) {
      await pass(5000)
      w.server.drop(4401)
      await pass()
      expect(w.client.connectionState).toBe('connected')
    }
  })

  test('$token_expiring: the next token goes over the living socket', async () => {
    let n = 0
    const w = await connected({ token: () => `good ${++n}`, server: { token: good } })
    w.server.expireTokens()
    await pass()
    expect(w.server.requests.filter(r => r.type === 'auth').map(r => r.token)).toEqual(['good 1', 'good 2'])
    expect(w.server.attempts).toBe(1)
  })

  test('a token that comes for a socket that is gone is not sent on the next', async () => {
    const pending: ((token: string) => void)[] = []
    const w = world({ token: () => new Promise<string>(resolve => pending.push(resolve)), server: { token: good } })
    w.client.subscribe(['messages'])
    await pass()
    pending.shift()?.('good 1')
    await pass()
    w.server.expireTokens()
    await pass()
    const late = pending.shift()
    w.server.drop()
    await pass(1000)
    pending.shift()?.('good 3')
    await pass()
    late?.('good 2')
    await pass()
    expect(w.server.requests.filter(r => r.type === 'auth').map(r => r.token)).toEqual(['good 1', 'good 3'])
  })

  test('a token that cannot be had is a failed attempt', async () => {
    let broken = true
    const token = () => {
      if (broken) throw new Error('the login server is away')
      return 'good'
    }
    const w = world({ token, server: { token: good } })
    w.client.subscribe(['messages'])
    await pass()
    expect(w.client.connectionState).toBe('reconnecting')
    expect(w.warnings).toEqual(['cannot connect'])
    broken = false
    await pass(1000)
    expect(w.client.connectionState).toBe('connected')
  })

  test.each(['before connecting', 'on $token_expiring', 'on authChanged()'])('null %s: signed out', async when => {
    let token: string | null = when === 'before connecting' ? null : 'good'
    const w = world({ token: () => token, server: { token: good } })
    const { told, listener } = recorder()
    w.client.subscribe(['messages'], listener)
    await pass()
    if (token) {
      expect(w.client.connectionState).toBe('connected')
      token = null
      if (when === 'on authChanged()') w.client.authChanged()
      else w.server.expireTokens()
    }
    await pass(1e5)
    window.dispatch('online')
    await pass(1e5)
    expect(w.client.connectionState).toBe('disconnected')
    expect(w.server.connections).toBe(0)

    w.server.emit({ type: 'unseen', payload: {} })
    token = 'good again'
    w.client.retry()
    await pass()
    expect(w.client.connectionState).toBe('connected')
    expect(w.server.requests.at(-1)).toMatchObject({ type: 'join', topics: ['messages'] })
    expect(w.server.requests.at(-1)?.since).toBeUndefined()
    expect(told.slice(-2)).toEqual(['joined messages', 'resync messages history_gap'])
  })
})
