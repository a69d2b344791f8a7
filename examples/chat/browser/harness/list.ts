import type { Page } from 'playwright-core'
import { expect } from 'vitest'
import type {} from '../fixtures/list.tsx'
import type { Build } from './bundle.ts'
import type { Site } from './site.ts'

export interface ListOptions {
  socket: string
  topic: string
  client?: string
  way?: 'refetch' | 'patch' | 'naive'
  key?: 'number'
}

/** The page fixtures/list.tsx, seen from the test. */
export class List {
  private constructor(readonly page: Page) {}

  static async open(page: Page, site: Site, options: ListOptions, build?: Build): Promise<List> {
    await page.goto(site.page('list', { client: 'page', ...options }, build))
    return new List(page)
  }

  /** What the list shows. */
  readonly rows = (): Promise<string[]> => this.page.locator('li').allTextContents()
  readonly state = (): Promise<string | null> => this.page.locator('ul').getAttribute('data-state')
  /** How many events the page was given. */
  readonly seen = (): Promise<number> => this.page.evaluate(() => window.seen)

  /** Waits until the list is fetched and its topic joined. */
  async live(): Promise<void> {
    await this.page
      .locator('ul[data-state=connected][data-loaded=true][data-joined=true]')
      .waitFor({ state: 'attached' })
  }

  /** Waits until the list shows exactly this. */
  async shows(rows: string[]): Promise<void> {
    await expect.poll(this.rows).toEqual(rows)
  }
}
