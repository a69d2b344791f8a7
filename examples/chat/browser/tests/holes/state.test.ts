import { expect, test } from '../../harness/test.ts'

test('no message in React state: of a thousand rows at once none is lost under batching', async ({
  demo,
  page,
  site,
  topic,
}) => {
  await page.goto(site.page('counter', { socket: demo.socket, topics: `topic_${topic}` }))
  await page.locator('output[data-joined=true]').waitFor({ state: 'attached' })
  await demo.sql`INSERT INTO messages (topic_id, content) SELECT ${topic}, n FROM generate_series(1, 1000) n`
  await expect.poll(() => page.locator('output').textContent()).toBe('1000')
  expect(await page.evaluate(() => window.given)).toEqual(Array.from({ length: 1_000 }, (_, i) => String(i + 1)))
})
