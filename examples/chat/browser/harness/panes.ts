import type { Locator, Page } from 'playwright-core'
import { expect } from 'vitest'
import type { Demo } from './demo.ts'
import { Wire } from './wire.ts'

/** The demo's page, seen from the test: two users, and the wire that carries the sockets of both. */
export class Panes {
  readonly olena: Pane
  readonly maks: Pane

  private constructor(
    private readonly demo: Demo,
    readonly page: Page,
    readonly wire: Wire,
  ) {
    this.olena = new Pane(this, 'olena')
    this.maks = new Pane(this, 'maks')
  }

  static async open(page: Page, demo: Demo): Promise<Panes> {
    const panes = new Panes(demo, page, await Wire.tap(page))
    await page.clock.install()
    await page.goto(demo.url)
    // Olena's private topics may come later than the others, with the list of topics.
    const wanted = ['topic_7', 'topic_7', 'topic_8', 'user_maks', 'user_olena']
    const joined = (): string[] => panes.memberships().filter(topic => wanted.includes(topic))
    await expect.poll(() => joined().toSorted()).toEqual(wanted)
    panes.wire.frames.length = 0 // the last two seconds came with the joins: what other tests have written
    return panes
  }

  /** Waits until both have handled all events so far, and until what these were to cause has begun. */
  async settle(): Promise<void> {
    const type = `settled_${Date.now()}`
    await this.demo.sql`SELECT rowcast.emit(${type}, '{}', array['messages'])`
    for (const { user } of [this.olena, this.maks])
      await this.page.locator(`[data-testid=frame][data-type=${type}][data-user=${user}]`).waitFor()
    await this.page.clock.fastForward(1_000) // refetches are gathered for 100 ms
  }

  /** The topics of all joins that the daemon has answered. */
  memberships(): string[] {
    return this.wire.of('$joined').flatMap(frame => frame.payload?.topics as string[])
  }

  /** Waits until the daemon has answered so many joins. */
  async joined(times: number): Promise<void> {
    await expect.poll(() => this.wire.of('$joined').length).toBe(times)
  }
}

/** One of the two users. */
export class Pane {
  /** What was asked of the API, in its order: "GET /api/projects". */
  private readonly requests: string[] = []

  constructor(
    private readonly panes: Panes,
    readonly user: 'olena' | 'maks',
  ) {
    panes.page.on('request', request => {
      if (request.headers()['x-client'] === user)
        this.requests.push(`${request.method()} ${new URL(request.url()).pathname}`)
    })
  }

  /** An element of this user, by its test id. */
  readonly get = (testId: string): Locator => this.panes.page.getByTestId(`pane-${this.user}`).getByTestId(testId)
  /** How often something was fetched: asked('/projects'). */
  readonly asked = (path: string): number => this.requests.filter(request => request === `GET /api${path}`).length
  readonly state = (): Promise<string | null> => this.get('badge').getAttribute('data-state')
  /** What the list of messages shows. */
  readonly messages = (): Promise<string[]> => this.get('message-content').allTextContents()
  readonly toasts = (): Promise<string[]> => this.get('toasts').locator('.toast-text').allTextContents()

  /** Goes to a tab, and waits until it shows this. */
  async open(tab: string, shows: string): Promise<void> {
    await this.get(`tab-${tab}`).click()
    await this.get(shows).first().waitFor()
  }

  /** Goes to a topic, and waits until its messages are fetched and its events come. */
  async openTopic(topic: string): Promise<void> {
    const joins = this.panes.wire.of('$joined').length
    await this.get(`topic-${topic}`).click()
    await this.get('message-list').waitFor({ state: 'attached' })
    await this.panes.joined(joins + 1)
  }

  async send(content: string): Promise<void> {
    await this.get('composer').fill(content)
    await this.get('send').click()
  }
}
