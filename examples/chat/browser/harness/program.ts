import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'

const patienceMs = 30_000
const running = new Set<ChildProcess>()

// A run that is interrupted ends in its first process; this one, vitest's worker, notices by the channel between them.
// Vitest lets no worker end by process.exit.
process.on('SIGINT', () => {})
process.once('disconnect', () => {
  process.emit('exit', 1)
  process.kill(process.pid, 'SIGKILL')
})
process.once('exit', () => {
  for (const child of running) child.kill('SIGTERM')
})

/** A child process that does not outlive this one, and whose output can be waited for. */
export class Program {
  private output = ''
  private readonly child: ChildProcess
  private readonly changed = new EventTarget()
  private readonly ended: Promise<unknown>

  constructor(
    private readonly file: string,
    private readonly args: readonly string[],
    env: NodeJS.ProcessEnv = {},
  ) {
    this.child = spawn(file, args, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
    running.add(this.child)
    this.ended = once(this.child, 'close').finally(() => {
      running.delete(this.child)
      this.changed.dispatchEvent(new Event('change'))
    })
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.output += text
        this.changed.dispatchEvent(new Event('change'))
      })
    }
  }

  /** What the pattern's first group finds in the output, as soon as it does. */
  async find(pattern: RegExp): Promise<string> {
    const deadline = AbortSignal.timeout(patienceMs)
    for (;;) {
      const found = pattern.exec(this.output)
      if (found) return found[1] ?? found[0]
      if (this.child.exitCode !== null || this.child.signalCode !== null) throw this.failure('ended')
      if (deadline.aborted) throw this.failure(`did not print ${pattern}`)
      await new Promise<void>(resolve => {
        const settle = (): void => resolve()
        this.changed.addEventListener('change', settle, { once: true })
        deadline.addEventListener('abort', settle, { once: true })
      })
    }
  }

  /** Sends a signal and waits for the end. */
  async end(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
    this.child.kill(signal)
    await this.ended
  }

  private failure(what: string): Error {
    return new Error(`${this.file} ${this.args.join(' ')}: ${what}\n${this.output}`)
  }
}
