import type {} from '../../fixtures/counter.tsx'
import { expect, test } from '../../harness/test.ts'

test('20,000 events to one page: none lost, and it goes on drawing', { timeout: 60_000 }, async ({
  demo,
  page,
  site,
  topic,
}) => {
  await page.goto(site.page('counter', { socket: demo.socket, topics: `topic_${topic}` }))
  await page.locator('output[data-joined=true]').waitFor({ state: 'attached' })
  await page.evaluate(() => {
    window.longestGapMs = 0
  })
  const begun = Date.now()
  for (let batch = 0; batch < 20; batch++) {
    await demo.sql`INSERT INTO messages (topic_id, content) SELECT ${topic}, n FROM generate_series(${batch * 1_000 + 1}::int, ${batch * 1_000 + 1_000}::int) n`
  }
  await expect.poll(() => page.locator('output').textContent(), { timeout: 30_000 }).toBe('20000')
  const seconds = (Date.now() - begun) / 1_000
  const gap = await page.evaluate(() => window.longestGapMs)
  console.log(`20,000 events in ${seconds.toFixed(1)} s, the longest time without a frame ${gap.toFixed(0)} ms`)
  expect(await page.evaluate(() => window.given)).toEqual(Array.from({ length: 20_000 }, (_, i) => String(i + 1)))
})
