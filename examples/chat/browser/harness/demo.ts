import { inject } from 'vitest'
import { Database } from './database.ts'
import { Program } from './program.ts'

/** A running `rowcast dev`: Postgres, the demo's schema, its API and page, the daemon. */
export class Demo {
  private constructor(
    private readonly program: Program,
    /** Of the page, with the slash at its end. */
    readonly url: string,
    readonly database: Database,
  ) {}

  static async start(...args: string[]): Promise<Demo> {
    const program = new Program(inject('binary'), ['dev', '--addr=127.0.0.1:0', ...args])
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

  async end(): Promise<void> {
    await this.database.close()
    await this.program.end()
  }
}
