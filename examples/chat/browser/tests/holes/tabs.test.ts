import { freeze } from '../../harness/browser.ts'
import { Daemon } from '../../harness/daemon.ts'
import { List } from '../../harness/list.ts'
import { Remote } from '../../harness/remote.ts'
import { settled } from '../../harness/settled.ts'
import { expect, test } from '../../harness/test.ts'
import { Wire } from '../../harness/wire.ts'

test('hidden tabs: events mark the queries, and one fetch follows when the tab is visible', async ({
  demo,
  page,
  site,
  topic,
}) => {
  // Headless Chromium has no hidden tabs.
  await page.addInitScript(() => {
    let state: DocumentVisibilityState = 'visible'
    Object.defineProperty(document, 'visibilityState', { get: () => state })
    Object.defineProperty(document, 'hidden', { get: () => state === 'hidden' })
    window.show = to => {
      state = to
      document.dispatchEvent(new Event('visibilitychange', { bubbles: true }))
    }
  })
  const list = await List.open(page, site, { socket: demo.socket, topic })
  await list.live()
  await page.evaluate(() => window.show('hidden'))
  for (const content of ['one', 'two', 'three']) {
    await demo.sql`INSERT INTO messages (topic_id, content) VALUES (${topic}, ${content})`
  }
  await expect.poll(list.seen).toBe(3)
  expect(site.requests('page')).toBe(1)
  expect(await list.rows()).toEqual([])

  await page.evaluate(() => window.show('visible'))
  await list.shows(['one', 'two', 'three'])
  expect(site.requests('page')).toBe(2)
})

test('hidden tabs: a page that was frozen while the daemon came anew catches up', async ({
  browser,
  demo,
  page,
  site,
  topic,
}) => {
  const daemon = await Daemon.start(demo.database.url)
  await settled(daemon.socket)
  const list = await List.open(page, site, { socket: daemon.socket, topic })
  await list.live()
  const thaw = await freeze(browser)
  await daemon.end('SIGKILL')
  for (const content of ['one', 'two', 'three']) {
    await demo.sql`INSERT INTO messages (topic_id, content) VALUES (${topic}, ${content})`
  }
  await daemon.start()
  thaw()
  await list.shows(['one', 'two', 'three'])
  await daemon.end()
})

test('hidden tabs: the watchdog reconnects when nothing was heard for the heartbeat and ten seconds', async ({
  demo,
  page,
  site,
  topic,
}) => {
  await page.clock.install()
  const wire = await Wire.tap(page)
  const client = await Remote.open(page, site, { url: demo.socket, random: 0 })
  await client.join(`topic_${topic}`)
  await page.clock.pauseAt(await page.evaluate(() => Date.now() + 1_000))
  const heartbeat = Number(wire.of('$welcome')[0]?.payload?.heartbeat_ms)

  wire.lose('*')
  await demo.sql`INSERT INTO messages (topic_id, content) VALUES (${topic}, 'lost')`
  await expect.poll(() => wire.of('message_created').length).toBe(1)
  await page.clock.runFor(heartbeat + 8_000)
  expect(await client.state()).toBe('connected')
  expect(wire.connections).toBe(1)
  wire.lose(null) // nothing comes by itself: the next frame is that of another connection
  await page.clock.runFor(3_000)
  await expect.poll(client.contents).toEqual(['lost'])
  expect(wire.connections).toBe(2)
})

declare global {
  interface Window {
    show: (to: DocumentVisibilityState) => void
  }
}
