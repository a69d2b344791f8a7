import type { Page } from 'playwright-core'
import { expect } from 'vitest'
import type { Mounted } from '../fixtures/hooks.tsx'
import type { Build } from './bundle.ts'
import type { Demo } from './demo.ts'
import type { Site } from './site.ts'

/** The page fixtures/hooks.tsx, seen from the test. */
export class Hooks {
  private constructor(private readonly page: Page) {}

  static async open(page: Page, site: Site, demo: Demo, build?: Build): Promise<Hooks> {
    await page.goto(site.page('hooks', { socket: demo.socket }, build))
    await page.waitForFunction(() => 'mount' in window)
    return new Hooks(page)
  }

  /** Which types each component was given. */
  readonly types = (): Promise<Record<string, string[]>> =>
    this.page.evaluate(() =>
      Object.fromEntries(Object.entries(window.heard).map(([name, messages]) => [name, messages.map(m => m.type)])),
    )
  readonly payloads = (name: string): Promise<Record<string, unknown>[]> =>
    this.page.evaluate(n => (window.heard[n] ?? []).map(m => m.payload), name)

  /** Puts these on the page, nothing else, and waits until all their topics are joined. */
  async mount(...components: Mounted[]): Promise<void> {
    await this.page.evaluate(all => window.mount(all), components)
    const joined = (): Promise<string[]> => this.page.locator('output[data-state=connected]').allTextContents()
    if (components.length > 0) await expect.poll(joined).toEqual(components.map(c => c.topics.toSorted().join(' ')))
    else await expect.poll(() => this.page.locator('output').count()).toBe(0)
  }
}
