import type { Page } from 'playwright-core'
import { expect } from 'vitest'
import type { ProbeOptions } from '../fixtures/probe.ts'
import type { Site } from './site.ts'

/** A client of fixtures/probe.ts in a page, seen from the test. */
export class Remote {
  private constructor(readonly page: Page) {}

  static async open(page: Page, site: Site, options: ProbeOptions): Promise<Remote> {
    await page.goto(site.page('probe'))
    await page.evaluate(o => {
      window.probe = new window.Probe(o)
    }, options)
    return new Remote(page)
  }

  readonly state = (): Promise<string> => this.page.evaluate(() => window.probe.client.connectionState)
  /** All states so far. */
  readonly states = (): Promise<string[]> => this.page.evaluate(() => window.probe.states)
  readonly joined = (): Promise<string[]> => this.page.evaluate(() => window.probe.joined)
  readonly resyncs = (): Promise<string[]> => this.page.evaluate(() => window.probe.resyncs.map(r => r.reason))
  /** What the messages say that were created. */
  readonly contents = (): Promise<string[]> =>
    this.page.evaluate(() =>
      window.probe.events.flatMap(e => (e.type === 'message_created' ? e.payload.message.content : [])),
    )
  /** The refused topics, and the code that says why. */
  readonly denied = (): Promise<Record<string, string>> =>
    this.page.evaluate(() =>
      Object.fromEntries(Object.entries(window.probe.client.denied).map(([topic, { code }]) => [topic, code])),
    )
  /** Which of its events it caused itself. */
  readonly own = (): Promise<boolean[]> => this.page.evaluate(() => window.probe.own)
  /** How long until the next attempt, by the page's clock; null when none is planned. */
  readonly retryIn = (): Promise<number | null> =>
    this.page.evaluate(() => {
      const at = window.probe.client.nextRetryAt
      return at === null ? null : at - Date.now()
    })

  /** Joins, and waits until the topics are live. */
  async join(...topics: string[]): Promise<void> {
    await this.page.evaluate(names => window.probe.join(...names), topics)
    await expect.poll(this.joined).toEqual(expect.arrayContaining(topics))
  }
}
