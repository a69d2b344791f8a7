import type { Page } from 'playwright-core'
import { Daemon } from '../../harness/daemon.ts'
import { Remote } from '../../harness/remote.ts'
import { describe, expect, test } from '../../harness/test.ts'
import { Wire } from '../../harness/wire.ts'

const refused = /ERR_CONNECTION_REFUSED/

/** Stops the page's clock: from now on it is what the test says. */
async function stopClock(page: Page): Promise<void> {
  await page.clock.pauseAt(await page.evaluate(() => Date.now() + 1_000))
}

/** Becomes hidden and visible again. */
async function lookAway(page: Page): Promise<void> {
  await page.evaluate(() => document.dispatchEvent(new Event('visibilitychange')))
}

describe('given up for ever', () => {
  const revivals: Record<string, (page: Page) => Promise<void>> = {
    'the network is back': page => page.evaluate(() => void window.dispatchEvent(new Event('online'))),
    'the tab is visible': lookAway,
    'the page is shown again': page =>
      page.evaluate(() => void window.dispatchEvent(new PageTransitionEvent('pageshow'))),
    'retry()': page => page.evaluate(() => window.probe.client.retry()),
    'the slow probe': page => page.clock.runFor(30_000),
  }
  for (const [name, revive] of Object.entries(revivals)) {
    test(`given up for ever: after 1, 2, 4, 8 and 16 s, until ${name}`, async ({ demo, site, topic, visitor }) => {
      const page = await visitor({ expects: [refused] })
      let sockets = 0
      page.on('websocket', () => sockets++)
      await page.clock.install()
      const daemon = await Daemon.start(demo.database.url)
      const client = await Remote.open(page, site, { url: daemon.socket, random: 0 })
      await client.join(`topic_${topic}`)
      await stopClock(page)

      await daemon.end('SIGKILL')
      for (const [i, seconds] of [1, 2, 4, 8, 16].entries()) {
        await expect.poll(client.retryIn).toBe(seconds * 1_000)
        expect(await client.state()).toBe('reconnecting')
        await page.clock.runFor(seconds * 1_000 - 1)
        expect(sockets).toBe(1 + i)
        await page.clock.runFor(1)
        await expect.poll(() => sockets).toBe(2 + i)
      }
      await expect.poll(client.state).toBe('disconnected')
      await expect.poll(client.retryIn).toBe(30_000)
      await page.clock.runFor(30_000)
      await expect.poll(client.retryIn).toBe(30_000)
      expect(sockets).toBe(7)
      expect(await client.states()).toEqual(['connecting', 'connected', 'reconnecting', 'disconnected'])

      await demo.sql`INSERT INTO messages (topic_id, content) VALUES (${topic}, 'meanwhile')`
      await daemon.start()
      await revive(page)
      await expect.poll(client.state).toBe('connected')
      await expect.poll(client.contents).toEqual(['meanwhile'])
      await daemon.end()
    })
  }
})

describe('never revived', () => {
  const ends: Record<string, (page: Page, wire: Wire) => Promise<void>> = {
    'closed by the user': page => page.evaluate(() => window.probe.client.close()),
    'refused with 4400': (_, wire) => wire.cut(4400),
    'refused with 4403': (_, wire) => wire.cut(4403),
  }
  for (const [name, end] of Object.entries(ends)) {
    test(`never revived: ${name}`, async ({ demo, page, site, topic }) => {
      await page.clock.install()
      const wire = await Wire.tap(page)
      const client = await Remote.open(page, site, { url: demo.socket })
      await client.join(`topic_${topic}`)
      await stopClock(page)
      await end(page, wire)
      await expect.poll(client.state).toBe('disconnected')

      expect(await client.retryIn()).toBe(null)
      await page.evaluate(() => window.dispatchEvent(new Event('online')))
      await page.evaluate(() => window.dispatchEvent(new PageTransitionEvent('pageshow')))
      await lookAway(page)
      await page.clock.runFor(120_000)
      expect(await client.state()).toBe('disconnected')
      expect(wire.connections).toBe(1)

      await page.evaluate(() => window.probe.client.retry())
      await expect.poll(client.state).toBe('connected')
      expect(wire.connections).toBe(2)
    })
  }
})
