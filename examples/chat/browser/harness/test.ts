import type { Browser, Page } from 'playwright-core'
import { test as plain } from 'vitest'
import { launch } from './browser.ts'
import { Demo } from './demo.ts'
import { settled } from './settled.ts'
import { Site } from './site.ts'
import { type VisitorOptions, Visitors } from './visitor.ts'

export { describe, expect } from 'vitest'

interface OfRun {
  /** `rowcast dev`, with a Postgres of its own. */
  demo: Demo
  browser: Browser
}

interface OfTest {
  /** Opens an empty page for one more user, with cookies, cache and network of their own. */
  visitor: (options?: VisitorOptions) => Promise<Page>
  /** The page of a user, where one is enough. */
  page: Page
  /** Serves the pages of fixtures/. */
  site: Site
  /** The id of a topic that nobody has written to. */
  topic: string
  /** The id of a private topic of Olena's, in which she has said "between us". */
  privateTopic: string
}

/** Vitest's test with what a browser test needs; an error on a page's console fails the test. */
export const test = plain.extend<OfRun & OfTest>({
  demo: [
    // biome-ignore lint/correctness/noEmptyPattern: vitest reads which fixtures are wanted from the pattern
    async ({}, use) => {
      const demo = await Demo.start()
      await use(demo)
      await demo.end()
    },
    { scope: 'worker' },
  ],
  browser: [
    // biome-ignore lint/correctness/noEmptyPattern: as above
    async ({}, use) => {
      const browser = await launch()
      await use(browser)
      await browser.close()
    },
    { scope: 'worker' },
  ],
  // After site: a page leaves before what it asks is gone.
  visitor: async ({ browser, demo, site: _, task }, use) => {
    await settled(demo.socket)
    const visitors = new Visitors(browser)
    await use(options => visitors.add(options))
    const failed = task.result?.state === 'fail' || visitors.errors.length > 0
    if (failed) console.log(`${task.name}: pictures in ${await visitors.photograph()}`)
    await visitors.leave()
    if (visitors.errors.length > 0) throw new Error(`errors on the page:\n${visitors.errors.join('\n')}`)
  },
  page: async ({ visitor }, use) => {
    await use(await visitor())
  },
  site: async ({ demo }, use) => {
    const site = await Site.open(demo.database)
    await use(site)
    await site.close()
  },
  topic: async ({ demo }, use) => {
    const [row] = await demo.sql<{ id: string }>`INSERT INTO topics (title) VALUES ('of a test') RETURNING id`
    if (!row) throw new Error('no topic')
    await use(row.id)
  },
  privateTopic: async ({ demo }, use) => {
    const [row] = await demo.sql<{ id: string }>`
      INSERT INTO topics (title, private) VALUES ('private', true) RETURNING id`
    if (!row) throw new Error('no topic')
    await demo.sql`INSERT INTO memberships VALUES (${row.id}, 'olena', true)`
    await demo.sql`INSERT INTO messages (topic_id, author, content) VALUES (${row.id}, 'Olena', 'between us')`
    await use(row.id)
  },
})
