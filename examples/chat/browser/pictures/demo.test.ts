import { fileURLToPath } from 'node:url'
import type { Locator } from 'playwright-core'
import { expect, test } from '../harness/test.ts'

/** A page as it is after a burst and a short conversation: `npm run pictures` takes the README's pictures anew. */
for (const colorScheme of ['light', 'dark'] as const) {
  test(`the demo, ${colorScheme}`, { timeout: 90_000 }, async ({ demo, visitor }) => {
    const page = await visitor({ colorScheme, viewport: { width: 1440, height: 900 }, reducedMotion: 'reduce' })
    await page.goto(demo.url)
    const olena = page.locator('#olena')
    const maks = page.locator('#maks')
    const shows = async (pane: Locator, content: string): Promise<void> => {
      await pane.getByTestId('message-content').filter({ hasText: content }).waitFor()
    }
    const say = async (from: Locator, to: Locator, content: string): Promise<void> => {
      await from.getByTestId('composer').fill(content)
      await from.getByTestId('send').click()
      await shows(to, content)
    }
    const begun = new Date()
    for (const pane of [olena, maks]) await pane.locator('[data-testid=badge][data-state=connected]').waitFor()

    await maks.getByTestId('naive').check()
    await page.getByTestId('delay-150').check()
    await page.getByTestId('burst').click()
    for (const pane of [olena, maks]) await shows(pane, '500 of 500')
    await demo.sql`DELETE FROM messages USING rowcast.bulk('messages') WHERE author = 'burst'`
    await page.getByTestId('delay-0').check()

    await demo.sql`INSERT INTO messages (topic_id, author, content) VALUES (7, 'psql', 'hello from psql')`
    await shows(olena, 'hello from psql')
    await say(maks, olena, 'A row from a terminal. Without a line of socket code.')
    await say(olena, maks, 'And a handful of requests, not a hundred.')
    await expect(page.getByTestId('ms-dom-olena').textContent()).resolves.toBe('at once')

    const path = fileURLToPath(new URL(`../../../../docs/demo-${colorScheme}.png`, import.meta.url))
    const main = await page.locator('main').boundingBox()
    await page.screenshot({
      path,
      clip: { x: 0, y: 0, width: 1440, height: (main?.y ?? 0) + (main?.height ?? 0) + 16 },
    })
    await demo.sql`DELETE FROM messages WHERE topic_id = 7 AND created_at > ${begun}`
  })
}
