import { once } from 'node:events'
import { inject } from 'vitest'
import WebSocket from 'ws'
import { Database } from './database.ts'
import { Program } from './program.ts'
import { secret } from './token.ts'

/** A running `rowcast dev`: Postgres, the demo's schema, its API and page, the daemon. */
export class Demo {
  private readonly sockets = new Set<WebSocket>()

  private constructor(
    private readonly program: Program,
    /** Of the page, with the slash at its end. */
    readonly url: string,
    readonly database: Database,
  ) {}

  static async start(...args: string[]): Promise<Demo> {
    const program = new Program(inject('binary'), ['dev', '--addr=127.0.0.1:0', ...args], {
      ROWCAST_AUTH_JWT_SECRET: secret,
    })
    const url = await program.find(/(http:\/\/\S+)/)
    const database = await program.find(/psql (postgres:\/\/\S+)/)
    return new Demo(program, url, new Database(database))
  }

  get sql(): Database['sql'] {
    return this.database.sql
  }

  /** Where its sockets are. */
  get socket(): string {
    return `${this.url.replace('http', 'ws')}ws`
  }

  /** Lets the API write messages, each in a transaction of its own. It answers before they are written. */
  async burst(burst: { topic_id: string; count: number; per_second: number }): Promise<void> {
    const body = JSON.stringify({ author: 'a script', ...burst })
    const response = await fetch(`${this.url}api/burst`, { method: 'POST', body })
    if (!response.ok) throw new Error(`burst: ${response.status} ${await response.text()}`)
  }

  /** Joins a topic without a page. Returns how many events there were since. */
  async witness(topic: string): Promise<() => number> {
    const socket = new WebSocket(`${this.socket}?topics=${topic}`)
    this.sockets.add(socket)
    let events = 0
    socket.on('message', () => events++)
    await once(socket, 'open')
    return () => events
  }

  /** How many requests the API has had from a client of the page; it says its name in X-Client. */
  async requests(client: string): Promise<number> {
    const response = await fetch(`${this.url}api/requests`)
    const counts = (await response.json()) as Record<string, number>
    return counts[client] ?? 0
  }

  async end(): Promise<void> {
    for (const socket of this.sockets) socket.terminate()
    await this.database.close()
    await this.program.end()
  }
}
