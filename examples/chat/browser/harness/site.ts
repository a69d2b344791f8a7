import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { type Build, bundle } from './bundle.ts'
import type { Database } from './database.ts'

/** An application of its own: the pages of fixtures/ and a slow API that counts who asked how often. */
export class Site {
  /** How long the API takes to answer, after it has read the table. */
  delayMs = 150
  /** How many requests wait, or have waited, for what hold returned. */
  held = 0
  private readonly asked = new Map<string, number>()
  private open = 0
  private gate: Promise<void> | undefined
  private readonly server: Server

  private constructor(private readonly database: Database) {
    this.server = createServer((request, response) => {
      this.answer(request, response).catch((error: unknown) => response.writeHead(500).end(String(error)))
    })
  }

  static async open(database: Database): Promise<Site> {
    const site = new Site(database)
    site.server.listen(0, '127.0.0.1')
    await once(site.server, 'listening')
    return site
  }

  /** The address of a page of fixtures/, which reads the parameters from its URL. */
  page(fixture: string, parameters: Record<string, string> = {}, build: Build = 'production'): string {
    const { port } = this.server.address() as AddressInfo
    return `http://127.0.0.1:${port}/${build}/${fixture}?${new URLSearchParams(parameters)}`
  }

  /** How many requests a client has made to the API; it says its name in X-Client. */
  readonly requests = (client: string): number => this.asked.get(client) ?? 0

  /** Lets requests that have read the table wait for the returned function. */
  hold(): () => void {
    let release = (): void => {}
    this.gate = new Promise(resolve => (release = resolve))
    return release
  }

  /** Whether no request is open. */
  readonly idle = (): boolean => this.open === 0

  async close(): Promise<void> {
    this.server.closeAllConnections()
    this.server.close()
    await once(this.server, 'close')
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname } = new URL(request.url ?? '/', 'http://localhost')
    const [, folder, name = ''] = pathname.split('/')
    if (folder === 'messages') {
      response.setHeader('Content-Type', 'application/json').end(JSON.stringify(await this.messages(request, name)))
    } else if (name.endsWith('.js')) {
      const text = await bundle(name.slice(0, -'.js'.length), folder as Build)
      response.setHeader('Content-Type', 'text/javascript').end(text)
    } else {
      response.setHeader('Content-Type', 'text/html').end(shell(name))
    }
  }

  /** The messages of a topic as they were when the request came, which is what makes a slow API stale. */
  private async messages(request: IncomingMessage, topic: string): Promise<unknown[]> {
    const client = String(request.headers['x-client'])
    this.asked.set(client, this.requests(client) + 1)
    this.open++
    try {
      const { sql } = this.database
      const rows = await sql`SELECT id, topic_id, author, content FROM messages WHERE topic_id = ${topic} ORDER BY id`
      await delay(this.delayMs)
      if (this.gate) {
        this.held++
        await this.gate
      }
      return rows
    } finally {
      this.open--
    }
  }
}

/** The page around a fixture. The icon is inline: a missing one is an error on the console. */
function shell(fixture: string): string {
  return `<!doctype html><html lang="en"><meta charset="utf-8"><title>${fixture}</title><link rel="icon" href="data:,">
<div id="root"></div><script type="module" src="${fixture}.js"></script></html>`
}
