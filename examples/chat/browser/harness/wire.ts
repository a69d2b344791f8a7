import type { Page, WebSocketRoute } from 'playwright-core'

export interface Frame {
  from: 'page' | 'daemon'
  text: string
  /** What the text says, where it is JSON. */
  type?: string
  topics?: string[]
  payload?: Record<string, unknown>
}

/** The wire between a page and its daemon: watched and, where a test asks for it, held up or cut. */
export class Wire {
  /** What was sent, also what did not arrive. */
  readonly frames: Frame[] = []
  connections = 0
  /** Which frame was the last one of the connection that cutAt ended. */
  cutAtLast = 0
  private route: WebSocketRoute | undefined
  private last = Infinity
  private lost: string | null = null
  private held: { type: string; until: Promise<void> } | undefined

  /** Taps all sockets that the page opens from now on. */
  static async tap(page: Page): Promise<Wire> {
    const wire = new Wire()
    await page.routeWebSocket(/\/ws$/, route => wire.connect(route))
    return wire
  }

  /** Ends the connection, as a network or a server does. */
  async cut(code = 1012): Promise<void> {
    await this.route?.close({ code })
  }

  /** Ends the next connection with its n-th frame, which does not arrive. Heartbeats do not count. */
  cutAt(n: number): void {
    this.last = n
  }

  /** Loses all frames of a type; "*" for any, null for none. */
  lose(type: string | null): void {
    this.lost = type
  }

  /** Holds up the frames of a type, and all behind them, until the returned function is called. */
  hold(type: string): () => void {
    let release = (): void => {}
    this.held = { type, until: new Promise(resolve => (release = resolve)) }
    return () => {
      this.held = undefined
      release()
    }
  }

  /** Sends the page what no daemon would. */
  inject(text: string): void {
    this.route?.send(text)
  }

  /** The frames of a type, in their order. */
  of(type: string): Frame[] {
    return this.frames.filter(frame => frame.type === type)
  }

  private connect(route: WebSocketRoute): void {
    this.route = route
    this.connections++
    const last = this.last
    this.last = Infinity
    let count = 0
    const server = route.connectToServer()
    const carry = (from: Frame['from'], send: (text: string) => void): ((message: string | Buffer) => void) => {
      let before = Promise.resolve()
      return message => {
        const frame: Frame = { from, text: String(message), ...parsed(String(message)) }
        before = before.then(async () => {
          this.frames.push(frame)
          if (frame.type !== '$ping') count++
          if (count === last) {
            this.cutAtLast = last
            await route.close({ code: 1012 })
          }
          if (this.held?.type === frame.type) await this.held?.until
          if (count < last && this.lost !== frame.type && this.lost !== '*') send(frame.text)
        })
      }
    }
    route.onMessage(carry('page', text => server.send(text)))
    server.onMessage(carry('daemon', text => route.send(text)))
  }
}

function parsed(text: string): object {
  try {
    return JSON.parse(text)
  } catch {
    return {}
  }
}
