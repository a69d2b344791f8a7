// The wire protocol `rowcast.v1`, as docs/protocol.md has it: what a frame may
// be, and the reading of one from text that nobody has checked.

/** One row change, or one call of `rowcast.emit()`. */
export interface RowcastEvent<T extends string = string, P = Record<string, unknown>> {
  type: T
  /** The topics it was sent to. */
  topics: string[]
  payload: P
  op: 'insert' | 'update' | 'delete' | 'emit'
  /** When the change was made, RFC 3339. */
  at: string
  /** Unique; absent on events from a NOTIFY channel. */
  id?: string
  /** What the writing transaction put into the setting `rowcast.mutation_id`. */
  mutation_id?: string
  cursor?: string
}

/** The union of the events of a map type → payload, or those of some of its types. */
export type EventOf<E, K extends keyof E & string = keyof E & string> = { [T in K]: RowcastEvent<T, E[T]> }[K]

/** Why a topic was refused. */
export interface Denial {
  code: string
  message: string
}

/** What a client sends. */
export type Request =
  | { type: 'auth'; ref: number; token: string }
  | { type: 'join'; ref: number; topics: string[]; since: string }
  | { type: 'join'; ref: number; topics: string[]; lookback_ms: number }
  | { type: 'leave'; ref: number; topics: string[] }
  | { type: 'ping'; ref: number }

/** What a server sends. `$other` is a type that this version does not know. */
export type Frame =
  | { kind: 'event'; event: RowcastEvent }
  | { kind: '$welcome'; heartbeatMs: number; maxTopics: number; schema: string | undefined }
  | {
      kind: '$joined'
      ref: unknown
      topics: string[]
      denied: Record<string, Denial>
      recovered: boolean | undefined
      cursor: string | undefined
    }
  | { kind: '$left'; ref: unknown; topics: string[]; code: string | undefined }
  | { kind: '$error'; ref: unknown; error: Denial }
  | { kind: '$ping'; cursor: string | undefined }
  | { kind: '$resync'; topics: string[]; reason: string; spreadMs: number }
  | { kind: '$bye'; reconnect: boolean; retryAfterMs: number }
  | { kind: '$token_expiring' }
  | { kind: '$authed' | '$pong' | '$other' }
