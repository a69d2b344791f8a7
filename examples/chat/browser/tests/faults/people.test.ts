import { List } from '../../harness/list.ts'
import { Remote } from '../../harness/remote.ts'
import { expect, test } from '../../harness/test.ts'
import { Wire } from '../../harness/wire.ts'

test('two users: what one writes, the other reads', async ({ demo, site, topic, visitor }) => {
  const lists: List[] = []
  for (const client of ['olena', 'maks']) {
    lists.push(await List.open(await visitor(), site, { socket: demo.socket, topic, client }))
  }
  for (const list of lists) await list.live()
  await demo.sql`INSERT INTO messages (topic_id, author, content) VALUES (${topic}, 'Olena', 'Can you see this?')`
  for (const list of lists) await list.shows(['Can you see this?'])
  expect([site.requests('olena'), site.requests('maks')]).toEqual([2, 2])
})

test('StrictMode, development build: one socket, one join', async ({ demo, page, site, topic }) => {
  const wire = await Wire.tap(page)
  const list = await List.open(page, site, { socket: demo.socket, topic }, 'development')
  await list.live()
  await demo.sql`INSERT INTO messages (topic_id, content) VALUES (${topic}, 'once')`
  await list.shows(['once'])
  expect(wire.connections).toBe(1)
  expect(wire.of('join').map(frame => frame.topics)).toEqual([[`topic_${topic}`]])
  expect(wire.of('leave')).toEqual([])
  expect(await list.seen()).toBe(1)
})

test('offline and back: what was written meanwhile arrives', async ({ demo, site, topic, visitor }) => {
  const page = await visitor({ expects: [/ERR_INTERNET_DISCONNECTED/] })
  const client = await Remote.open(page, site, { url: demo.socket })
  await client.join(`topic_${topic}`)
  await page.context().setOffline(true)
  await expect.poll(client.state).toBe('reconnecting')
  await demo.sql`INSERT INTO messages (topic_id, content) VALUES (${topic}, 'meanwhile')`
  await page.context().setOffline(false)
  await expect.poll(client.contents).toEqual(['meanwhile'])
  expect(await client.resyncs()).toEqual([])
})
