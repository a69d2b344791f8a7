import pg from 'pg'

export type Row = Record<string, unknown>

/** The application's database, written to from outside of every daemon and page. */
export class Database {
  private readonly pool: pg.Pool

  constructor(readonly url: string) {
    this.pool = new pg.Pool({ connectionString: url, max: 4 })
    this.pool.on('error', () => {}) // idle connections end with a server that is restarted
  }

  /** Runs one statement: sql`INSERT INTO messages (topic_id, content) VALUES (${7}, ${'hi'})`. */
  readonly sql = async <R extends Row = Row>(text: TemplateStringsArray, ...values: unknown[]): Promise<R[]> => {
    const statement = text.reduce((before, part, i) => `${before}$${i}${part}`)
    return (await this.pool.query<R>(statement, values)).rows
  }

  async close(): Promise<void> {
    await this.pool.end()
  }
}
