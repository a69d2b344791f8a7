import { setTimeout as delay } from 'node:timers/promises'
import { List } from '../harness/list.ts'
import { expect, test } from '../harness/test.ts'

// Printed, not asserted: what is measured is this machine.
for (const [way, aim] of [
  ['refetch', 50],
  ['patch', 15],
] as const) {
  test(`latency: INSERT until the other page shows it, by ${way}`, async ({ demo, page, site, topic }) => {
    site.delayMs = 0
    const list = await List.open(page, site, { socket: demo.socket, topic, way })
    await list.live()
    await page.evaluate(() => {
      window.shownAt = []
      const note = (): void => {
        const now = performance.timeOrigin + performance.now()
        for (const _ of [...document.querySelectorAll('li')].slice(window.shownAt.length)) window.shownAt.push(now)
      }
      new MutationObserver(note).observe(document.body, { childList: true, subtree: true })
    })

    const took: number[] = []
    const pause = 150 // longer than the window in which refetches are gathered: rows come one by one
    for (let n = 0; n < 40; n++) {
      const begun = performance.timeOrigin + performance.now()
      await demo.sql`INSERT INTO messages (topic_id, content) VALUES (${topic}, ${n})`
      await expect.poll(() => page.evaluate(() => window.shownAt.length)).toBe(n + 1)
      took.push((await page.evaluate(() => window.shownAt.at(-1) ?? 0)) - begun)
      await delay(pause)
    }
    took.sort((a, b) => a - b)
    console.log(
      `INSERT → DOM by ${way}: p50 ${took[20]?.toFixed(1)} ms, p90 ${took[36]?.toFixed(1)} ms (aim: p50 ≤ ${aim} ms)`,
    )
    expect(await list.rows()).toHaveLength(40)
  })
}

declare global {
  interface Window {
    /** When the rows of the list came, in milliseconds since 1970. */
    shownAt: number[]
  }
}
