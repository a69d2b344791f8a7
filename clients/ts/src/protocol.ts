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
  | { type: 'auth'; token: string }
  | { type: 'join'; ref: number; topics: string[]; since?: string; lookback_ms?: number }
  | { type: 'leave'; topics: string[] }
  | { type: 'ping' }

/** What a server sends: an event, or a control frame, of which each kind uses some of the fields. */
export type Frame = { kind: 'event'; event: RowcastEvent } | Control

interface ControlFields {
  ref?: number
  topics: string[]
  cursor?: string
  denied: ReadonlyMap<string, Denial>
  recovered: boolean
  error: Denial
  reason: string
  spreadMs: number
  reconnect: boolean
  retryAfterMs?: number
  heartbeatMs?: number
  schema?: string
}

type ControlOf<K extends string, F extends keyof ControlFields = never> = { kind: K } & Pick<ControlFields, F>

export type Welcome = ControlOf<'$welcome', 'heartbeatMs' | 'schema'>
/** Of a join. An `$error` is read as a `$joined` that joined nothing. */
export type Answer = ControlOf<'$joined' | '$error', 'ref' | 'topics' | 'denied' | 'recovered' | 'cursor' | 'error'>

/** Other kinds come, too: a client that ignores them keeps working. */
export type Control =
  | Welcome
  | Answer
  | ControlOf<'$left', 'topics' | 'error'>
  | ControlOf<'$ping', 'cursor'>
  | ControlOf<'$resync', 'topics' | 'reason' | 'spreadMs'>
  | ControlOf<'$bye', 'reconnect' | 'retryAfterMs'>
  | ControlOf<'$token_expiring'>

type Fields = Record<string, unknown>

const fields = (value: unknown): Fields | undefined =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : undefined
const text = (value: unknown) => (typeof value === 'string' ? value : undefined)
const number = (value: unknown) => (typeof value === 'number' && value >= 0 ? value : undefined)
const texts = (value: unknown) => (Array.isArray(value) ? value.filter(v => typeof v === 'string') : [])
const denial = (value: unknown): Denial => {
  const { code, message } = fields(value) ?? {}
  return { code: text(code) ?? '', message: text(message) ?? '' }
}

/** Reads a frame. Undefined: it is none. */
export function decode(data: unknown): Frame | undefined {
  let frame: Fields | undefined
  try {
    frame = typeof data === 'string' ? fields(JSON.parse(data)) : undefined
  } catch {}
  const type = text(frame?.type)
  const p = fields(frame?.payload)
  if (!frame || !type || !p) return undefined
  if (type[0] !== '$') {
    return Array.isArray(frame.topics) && [frame.id, frame.cursor].every(v => v === undefined || typeof v === 'string')
      ? { kind: 'event', event: frame as unknown as RowcastEvent }
      : undefined
  }
  const control: ControlFields & { kind: string } = {
    kind: type,
    ref: number(frame.ref),
    topics: texts(p.topics),
    cursor: text(p.cursor),
    denied: new Map(Object.entries(fields(p.denied) ?? {}).map(([topic, why]) => [topic, denial(why)])),
    recovered: p.recovered !== false,
    error: denial(p),
    reason: text(p.reason) ?? '',
    spreadMs: number(p.spread_ms) ?? 0,
    reconnect: p.reconnect !== false,
    retryAfterMs: number(p.retry_after_ms),
    heartbeatMs: number(p.heartbeat_ms),
    schema: text(p.schema),
  }
  return control as Control
}

/** Tells whether a topic is meant by one of the patterns, in which `*` stands for any text. */
export function matcher(patterns: readonly string[]): (topic: string) => boolean {
  const sources = patterns.map(pattern => pattern.replace(/\W/g, c => (c === '*' ? '.*' : `\\${c}`)))
  const all = new RegExp(`^(${sources.join('|')})$`, 's')
  return topic => all.test(topic)
}

/** Of a close code: come back with back-off, come back with a fresh token, or never. */
export type Verdict = 'back' | 'token' | 'never'

/** The protocol's own codes that are no refusal: silence, a stuck socket, too fast. Go's are in rooms/ws/codes.go. */
const PASSING = [4408, 4413, 4429]

/** RFC 6455's codes for what a client did wrong, and would again. */
const FAULTS = [1002, 1003, 1007, 1009]

/** What is in no table comes from the network or a proxy, unless a newer server refuses with it. */
export function verdict(code: number): Verdict {
  if (code === 4401) return 'token'
  return FAULTS.includes(code) || (code >= 4400 && code < 4500 && !PASSING.includes(code)) ? 'never' : 'back'
}
