import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Browser, BrowserContext, BrowserContextOptions, Page } from 'playwright-core'

export interface VisitorOptions extends BrowserContextOptions {
  /** Console errors that belong to the scenario, such as those of a connection that is refused. */
  expects?: RegExp[]
}

/** The people of one test: each has a browser context of their own, and all are watched for errors. */
export class Visitors {
  readonly errors: string[] = []
  private readonly contexts: BrowserContext[] = []

  constructor(private readonly browser: Browser) {}

  async add({ expects = [], ...options }: VisitorOptions = {}): Promise<Page> {
    const context = await this.browser.newContext(options)
    context.setDefaultTimeout(10_000)
    this.contexts.push(context)
    const note = (text: string): void => {
      if (!expects.some(pattern => pattern.test(text))) this.errors.push(text)
    }
    context.on('console', message => {
      if (message.type() === 'error') note(`console: ${message.text()} (${message.location().url})`)
    })
    context.on('weberror', error => note(`page: ${error.error().stack ?? error.error().message}`))
    return context.newPage()
  }

  /** Takes a picture of every open page that can still be painted, and returns the folder. */
  async photograph(): Promise<string> {
    const folder = mkdtempSync(join(tmpdir(), 'rowcast-failure-'))
    const pages = this.contexts.flatMap(context => context.pages())
    const taken = pages.map((page, i) => page.screenshot({ path: join(folder, `${i + 1}.png`) }))
    await Promise.allSettled(taken)
    return folder
  }

  async leave(): Promise<void> {
    await Promise.all(this.contexts.map(context => context.close()))
  }
}
