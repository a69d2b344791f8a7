import { expect, test } from '../../harness/test.ts'

test('plain WebSocket: a page without the client sees a row from psql', async ({ demo, page, site }) => {
  await page.goto(site.page('plain', { socket: demo.socket, topics: 'topic_7' }))
  const root = page.locator('#root')
  await expect.poll(() => root.getAttribute('data-state')).toBe('connected')
  await demo.sql`INSERT INTO messages (topic_id, content) VALUES (7, 'from outside'), (6, 'elsewhere'), (7, 'second')`
  await expect.poll(() => root.textContent()).toBe('from outside\nsecond\n')
})
