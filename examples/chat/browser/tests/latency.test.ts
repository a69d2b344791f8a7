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
    const took: number[] = []
    for (let n = 1; n <= 50; n++) {
      const shown = page.evaluate(
        length =>
          new Promise<number>(resolve => {
            const observer = new MutationObserver(() => {
              if (document.querySelectorAll('li').length < length) return
              observer.disconnect()
              resolve(performance.timeOrigin + performance.now())
            })
            observer.observe(document.body, { childList: true, subtree: true })
          }),
        n,
      )
      const begun = performance.timeOrigin + performance.now()
      await demo.sql`INSERT INTO messages (topic_id, content) VALUES (${topic}, ${n})`
      took.push((await shown) - begun)
    }
    took.sort((a, b) => a - b)
    console.log(`INSERT → DOM by ${way}: p50 ${took[24]?.toFixed(1)} ms, p90 ${took[44]?.toFixed(1)} ms (aim: p50 ≤ ${aim} ms)`)
    expect(await list.rows()).toHaveLength(50)
  })
}
