import { createServer } from 'node:net'
import { inject } from 'vitest'
import { Program } from './program.ts'

/** A daemon alone on a database, on an address it keeps: it can die and come back. */
export class Daemon {
  private program: Program | undefined

  private constructor(
    private readonly database: string,
    private readonly address: string,
    private readonly settings: readonly string[],
  ) {}

  /** settings are flags, such as --heartbeat.interval=1s. */
  static async start(database: string, ...settings: string[]): Promise<Daemon> {
    const daemon = new Daemon(database, `127.0.0.1:${await freePort()}`, settings)
    await daemon.start()
    return daemon
  }

  /** Where its sockets are. */
  get socket(): string {
    return `ws://${this.address}/ws`
  }

  async start(): Promise<void> {
    const flags = [`--database.url=${this.database}`, `--http.addr=${this.address}`, '--admin.addr=', ...this.settings]
    this.program = new Program(inject('binary'), ['serve', ...flags])
    await this.program.find(/"msg":"ready"/)
  }

  /** Ends it: SIGTERM asks, SIGKILL does not. */
  async end(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
    await this.program?.end(signal)
    this.program = undefined
  }
}

/** A port below those the kernel gives to outgoing connections, which could take it while the daemon is down. */
async function freePort(): Promise<number> {
  for (;;) {
    const port = 10_000 + Math.floor(Math.random() * 5_000)
    const server = createServer()
    const free = await new Promise<boolean>(resolve => {
      server.once('error', () => resolve(false))
      server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
    })
    if (free) return port
  }
}
