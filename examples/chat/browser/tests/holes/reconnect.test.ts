import { List } from '../../harness/list.ts'
import { expect, test } from '../../harness/test.ts'
import { Wire } from '../../harness/wire.ts'

test('reconnect storms: nothing missed, no request', async ({ demo, page, site, topic }) => {
  const wire = await Wire.tap(page)
  const list = await List.open(page, site, { socket: demo.socket, topic })
  await list.live()
  expect(site.requests('page')).toBe(1)

  for (const times of [2, 3]) {
    await wire.cut()
    await expect.poll(() => wire.of('$joined').length).toBe(times)
  }
  // Whatever the reconnects asked for would have been asked before this.
  await demo.sql`INSERT INTO messages (topic_id, content) VALUES (${topic}, 'later')`
  await list.shows(['later'])
  expect(site.requests('page')).toBe(2)
})

test('reconnect storms: $resync refetches once, spread over spread_ms', async ({ demo, page, site, topic }) => {
  await page.addInitScript(() => {
    Math.random = () => 0.5
  })
  await page.clock.install()
  const wire = await Wire.tap(page)
  const list = await List.open(page, site, { socket: demo.socket, topic })
  await list.live()
  await page.clock.pauseAt(await page.evaluate(() => Date.now() + 1_000))

  await demo.sql`INSERT INTO messages (topic_id, content) SELECT ${topic}, 'one of many' FROM rowcast.bulk('messages')`
  await demo.sql`INSERT INTO projects (name) VALUES ('after the $resync')`
  await expect.poll(() => wire.of('$resync').length).toBe(1)
  const spread = Number(wire.of('$resync')[0]?.payload?.spread_ms)
  await page.clock.runFor(spread / 2 - 1)
  expect(site.requests('page')).toBe(1)
  await page.clock.runFor(1)
  await expect.poll(() => site.requests('page')).toBe(2)
  await page.clock.runFor(spread)
  await page.clock.resume()
  await list.shows(['one of many'])
  expect(site.requests('page')).toBe(2)
})
