import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { type WebSocket, WebSocketServer } from 'ws'

export interface Request {
  type: string
  ref?: number | string
  token?: string
  topics?: string[]
  since?: string
}

/** Plays a daemon that asks for tokens: it lets those in that are in its list, and ends the others with 4401. */
export class Impostor {
  connections = 0
  readonly requests: Request[] = []
  private readonly sockets = new Set<WebSocket>()

  private constructor(
    private readonly server: WebSocketServer,
    readonly tokens: Set<string>,
  ) {
    server.on('connection', socket => this.serve(socket))
  }

  static async open(...tokens: string[]): Promise<Impostor> {
    const server = new WebSocketServer({ port: 0, host: '127.0.0.1', path: '/ws', handleProtocols: () => 'rowcast.v1' })
    await once(server, 'listening')
    return new Impostor(server, new Set(tokens))
  }

  get socket(): string {
    return `ws://127.0.0.1:${(this.server.address() as AddressInfo).port}/ws`
  }

  /** The requests of a type, in their order. */
  of(type: string): Request[] {
    return this.requests.filter(request => request.type === type)
  }

  send(frame: object): void {
    for (const socket of this.sockets) socket.send(JSON.stringify(frame))
  }

  /** Ends all connections, as the daemon does with tokens that ran out. */
  refuse(): void {
    for (const socket of this.sockets) {
      socket.send('{"type":"$error","payload":{"code":"token_expired","message":"the token has run out"}}')
      socket.close(4401)
    }
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.terminate()
    this.server.close()
    await once(this.server, 'close')
  }

  private serve(socket: WebSocket): void {
    this.connections++
    this.sockets.add(socket)
    socket.on('close', () => this.sockets.delete(socket))
    let welcome = false
    socket.on('message', data => {
      const request: Request = JSON.parse(String(data))
      this.requests.push(request)
      const answer = (type: string, payload: object): void =>
        socket.send(JSON.stringify({ type, ref: request.ref, payload }))
      switch (request.type) {
        case 'auth':
          if (!this.tokens.has(request.token ?? '')) {
            answer('$error', { code: 'unauthenticated', message: 'not a token' })
            socket.close(4401)
            return
          }
          answer('$authed', { expires_in_ms: 3_600_000 })
          if (!welcome)
            this.send({
              type: '$welcome',
              payload: { session: 's', protocol: 'rowcast.v1', heartbeat_ms: 25_000, cursor: 'c1' },
            })
          welcome = true
          return
        case 'join':
          answer('$joined', { topics: request.topics, cursor: 'c2', replayed: 0, recovered: true })
      }
    })
  }
}
