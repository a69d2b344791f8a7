import { List } from '../../harness/list.ts'
import { expect, test } from '../../harness/test.ts'

test('the burst: 500 events in a second, an API of 150 ms: at most 12 requests, where the naive way makes more than 60', async ({
  demo,
  site,
  topic,
  visitor,
}) => {
  const careful = await List.open(await visitor(), site, { socket: demo.socket, topic, client: 'careful' })
  const naive = await List.open(await visitor(), site, { socket: demo.socket, topic, client: 'naive', way: 'naive' })
  await careful.live()
  await naive.live()

  await demo.burst({ topic_id: topic, count: 500, per_second: 500 })
  const written = async (): Promise<string[]> =>
    (await demo.sql<{ content: string }>`SELECT content FROM messages WHERE topic_id = ${topic} ORDER BY id`).map(
      row => row.content,
    )
  await expect.poll(async () => (await written()).length, { interval: 100 }).toBe(500)
  await careful.shows(await written())
  await expect.poll(() => site.requests('naive')).toBeGreaterThan(60)
  console.log(`burst of 500: ${site.requests('careful')} requests, the naive way ${site.requests('naive')} so far`)
  await naive.page.close() // it has some hundred more to make
  await expect.poll(site.idle).toBe(true)
  expect(site.requests('careful')).toBeLessThanOrEqual(12)
})

test('the burst: the list moves while events stream in faster than the API answers', async ({
  demo,
  page,
  site,
  topic,
}) => {
  site.delayMs = 400
  const list = await List.open(page, site, { socket: demo.socket, topic })
  await list.live()
  await demo.burst({ topic_id: topic, count: 60, per_second: 20 })

  const lengths = new Set<number>()
  const length = async (): Promise<number> => {
    const rows = await list.rows()
    lengths.add(rows.length)
    return rows.length
  }
  await expect.poll(length).toBe(60)
  expect(lengths.size).toBeGreaterThanOrEqual(4)
})

test('the burst: events during the first fetch cause exactly one more', async ({ demo, page, site, topic }) => {
  const release = site.hold()
  const list = await List.open(page, site, { socket: demo.socket, topic })
  await page.locator('ul[data-joined=true]').waitFor({ state: 'attached' })
  await expect.poll(() => site.held).toBe(1)
  for (const content of ['one', 'two', 'three']) {
    await demo.sql`INSERT INTO messages (topic_id, content) VALUES (${topic}, ${content})`
  }
  await expect.poll(list.seen).toBe(3)
  expect(await list.rows()).toEqual([])
  release()
  await list.shows(['one', 'two', 'three'])
  await expect.poll(site.idle).toBe(true)
  expect(site.requests('page')).toBe(2)
})
