// Nothing is lost silently, whatever happens between two frames: for each event
// that a listener ought to get, it gets it once, or a resync that came later. And
// nothing is asked for twice: a bystander knows what each join has to say.

import { describe, expect, test } from 'vitest'
import { matcher } from '../src/protocol.js'
import type { Listener } from '../src/types.js'
import { bystander } from './bystander.js'
import { document, pass, useFakeTime, window, world } from './world.js'

useFakeTime()

type Random = () => number

/** Of a seed, the same numbers on every machine (mulberry32). */
function seeded(seed: number): Random {
  let a = seed
  return () => {
    a = (a + 0x6d2b79f5) | 0
    let t = Math.imul(a ^ (a >>> 15), 1 | a)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}

interface Emitted {
  id: string
  topics: string[]
  moment: number
}

interface Ear {
  topics: string[]
  since: number
  until: number
  got: Map<string, number> // id → how often
  resyncs: { topics: string[]; moment: number }[]
  end: () => void
}

/** A client, a server, and a network in which every frame waits for its turn. */
function slowWorld(random: Random = () => 0) {
  const lanes = new Map<object, (() => void)[]>()
  let watcher!: ReturnType<typeof bystander>
  let denying = false
  let token: string | null = 'good'
  const w = world({
    token() {
      if (!token) watcher.signedOut()
      return token
    },
    between(WebSocket) {
      watcher = bystander(WebSocket)
      return watcher.WebSocket
    },
    server: {
      maxTopics: 4,
      token: () => true,
      deny: () => (denying ? { code: 'unavailable', message: '' } : undefined),
      later(task, lane) {
        const queue = lanes.get(lane) ?? []
        lanes.set(lane, queue)
        queue.push(task)
      },
    },
  })
  const emitted: Emitted[] = []
  const ears: Ear[] = []
  let moment = 0

  return {
    ...w,
    emitted,
    ears,
    deny(on: boolean) {
      denying = on
    },
    sign(as: string | null) {
      token = as
    },
    /** Lets one frame through, of any lane. False: nothing is under way. */
    async step() {
      await pass()
      const busy = [...lanes.values()].filter(queue => queue.length)
      busy[Math.floor(random() * busy.length)]?.shift()?.()
      moment++
      await pass()
      return busy.length > 0
    },
    /** Lets everything through. */
    async settle() {
      while (await this.step());
    },
    emit(topics: string[]) {
      const { id = '' } = w.server.emit({ type: 'x', topics, payload: {} })
      emitted.push({ id, topics, moment: ++moment })
    },
    listen(topics: string[]) {
      const listener: Listener = {
        onEvent: ({ id = '' }) => ear.got.set(id, (ear.got.get(id) ?? 0) + 1),
        onJoined: joined => expect(joined.filter(topic => !watcher.isJoined(topic))).toEqual([]),
        onResync: ({ topics: patterns }) => ear.resyncs.push({ topics: patterns, moment: ++moment }),
      }
      const ear: Ear = {
        topics,
        since: ++moment,
        until: Number.POSITIVE_INFINITY,
        got: new Map(),
        resyncs: [],
        end: () => {},
      }
      ears.push(ear)
      watcher.wanted(topics)
      const unsubscribe = w.client.subscribe(topics, listener)
      ear.end = () => {
        if (ear.until < Number.POSITIVE_INFINITY) return
        ear.until = ++moment
        unsubscribe()
        watcher.unwanted(topics)
      }
    },
    /** Heals everything, then looks for what was lost or doubled. */
    async verify() {
      denying = false
      token = 'good'
      w.server.accept()
      for (const ear of ears) if (ear.until < Number.POSITIVE_INFINITY) ear.end = () => {}
      for (let i = 0; i < 50; i++) {
        if (w.client.connectionState === 'disconnected') w.client.retry()
        await this.settle()
        await pass(1000)
      }
      expect(ears.every(e => e.until < Number.POSITIVE_INFINITY) || w.client.connectionState === 'connected').toBe(true)
      expect(w.client.denied).toEqual({})
      for (const ear of ears) {
        expect([...ear.got].filter(([, times]) => times > 1)).toEqual([])
        if (ear.until < Number.POSITIVE_INFINITY) continue // what was under way when it ended may be lost with it
        const lost = emitted.filter(e => {
          const mine = e.topics.filter(topic => ear.topics.includes(topic))
          const late = ear.resyncs.filter(r => r.moment > e.moment).flatMap(r => r.topics)
          const told = mine.every(matcher(late))
          return mine.length > 0 && e.moment > ear.since && !ear.got.has(e.id) && !told
        })
        expect(lost).toEqual([])
      }
    },
  }
}

describe('broken at every frame', () => {
  type World = ReturnType<typeof slowWorld>

  /** Each one is run over and over, and broken one frame later each time. */
  const stories: Record<string, (w: World, step: () => Promise<void>) => Promise<void>> = {
    async 'a first join'(w, step) {
      w.listen(['a', 'b'])
      w.emit(['a'])
      for (let i = 0; i < 12; i++) await step()
      w.emit(['b'])
      await step()
    },
    async 'a second topic joins while events come'(w, step) {
      w.listen(['a'])
      await w.settle()
      w.emit(['a'])
      w.listen(['b'])
      w.emit(['a', 'b'])
      for (let i = 0; i < 4; i++) {
        await step()
        w.emit([i % 2 ? 'a' : 'b'])
        w.server.ping()
      }
      for (let i = 0; i < 20; i++) await step()
    },
    async 'a reconnect with something missed'(w, step) {
      w.listen(['a', 'b'])
      await w.settle()
      w.emit(['a'])
      await w.settle()
      w.server.drop()
      w.listen(['c'])
      for (const topic of ['a', 'b', 'c']) w.emit([topic])
      await pass(1000)
      for (let i = 0; i < 20; i++) await step()
      w.emit(['a', 'b', 'c'])
      await step()
    },
    async 'a reconnect after the history has moved on'(w, step) {
      w.listen(['a'])
      await w.settle()
      w.server.drop()
      w.emit(['a'])
      w.server.forget()
      await pass(1000)
      for (let i = 0; i < 12; i++) await step()
    },
    async 'a join that takes longer than the lookback'(w, step) {
      w.listen(['a'])
      await w.settle()
      w.listen(['b'])
      for (let i = 0; i < 12; i++) {
        w.emit(['b'])
        await pass(3000)
        await step()
      }
    },
    async 'left and wanted again while its join is open'(w, step) {
      w.listen(['a'])
      await w.settle()
      w.listen(['b'])
      await pass()
      w.ears[1]?.end()
      await pass(250)
      w.listen(['b'])
      for (let i = 0; i < 12; i++) {
        w.emit(['b'])
        await step()
      }
    },
    async 'leaving and joining again'(w, step) {
      w.listen(['a', 'b'])
      await w.settle()
      w.ears[0]?.end()
      w.listen(['b'])
      await pass(250)
      w.listen(['a'])
      w.emit(['a'])
      w.emit(['b'])
      for (let i = 0; i < 12; i++) await step()
    },
  }

  test.each(Object.entries(stories))('%s', async (_, story) => {
    let frames = 0
    for (let broken = 0; broken <= frames; broken++) {
      for (const breakIt of ['drop', 'offline'] as const) {
        const w = slowWorld()
        let n = 0
        const step = async () => {
          if (n++ === broken) {
            if (breakIt === 'drop') w.server.drop()
            else window.dispatch('offline')
            await pass(1000)
          }
          await w.step()
        }
        await story(w, step)
        frames = n
        await w.verify()
        w.client.close()
      }
    }
    expect(frames).toBeGreaterThan(10)
  })
})

describe('by chance', () => {
  const seed = Number(process.env.ROWCAST_TEST_SEED ?? Math.floor(Math.random() * 2 ** 31))
  const names = ['a', 'b', 'c', 'd']

  test.each(Array.from({ length: 60 }, (_, i) => seed + i))('seed %d', async seed => {
    const random = seeded(seed)
    const w = slowWorld(random)
    const some = () => {
      const picked = names.filter(() => random() < 0.4)
      return picked.length ? picked : ['a']
    }
    const happenings: [weight: number, happen: () => unknown][] = [
      [40, () => w.step()],
      [10, () => w.settle()],
      [20, () => w.emit(some())],
      [5, () => w.server.ping()],
      [5, () => w.listen(some())],
      [3, () => w.ears[Math.floor(random() * w.ears.length)]?.end()],
      [10, () => pass(Math.floor(random() * 400))],
      [5, () => pass(Math.floor(random() * 5000))],
      [4, () => w.server.drop([1006, 1012, 4408][Math.floor(random() * 3)])],
      [1, () => w.server.bye(500)],
      [1, () => w.server.forget()],
      [1, () => w.server.resync(some())],
      [2, () => window.dispatch(random() < 0.5 ? 'offline' : 'online')],
      [2, () => document.dispatch('visibilitychange')],
      [1, () => w.client.close()],
      [2, () => w.client.retry()],
      [2, () => w.deny(random() < 0.5)],
      [1, () => w.server.refuse([1006, 4429, 4401][Math.floor(random() * 3)])],
      [3, () => w.server.accept()],
      [1, () => w.sign(random() < 0.5 ? null : 'good')],
      [1, () => w.server.expireTokens()],
      [1, () => w.client.authChanged()],
    ]
    const lots = happenings.flatMap(([weight, happen]) => Array.from({ length: weight }, () => happen))
    for (let i = 0; i < 300; i++) await lots[Math.floor(random() * lots.length)]?.()
    await w.verify()
  })
})
