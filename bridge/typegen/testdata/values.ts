// Made by `rowcast types` from the watched tables. Do not edit; renew it with: rowcast types --out FILE

/** The hash of these types, for createClient: in development it warns when the server's is another. */
export const schema = '8ad7e9ef689d'

/** Where rows are sent. What the application emits itself may go to other topics. */
export type Topic = 'things'

/**
 * The payload of each event type.
 *
 * - truncated: the row was too large to be sent; these columns are all there is of it. Fetch it.
 * - moved: the row is not deleted, it has left the event's topics.
 *
 * What the application emits itself is not in the database's catalogue. Add it:
 *
 *     interface AppEvents extends Events { typing_started: { topic_id: string } }
 */
export interface Events {
  thing_created:
    | { topic_id: null; id: string; thing: Thing; changed: true; truncated?: never }
    | { topic_id: null; id: string; thing: Pick<Thing, 'id'>; changed: true; truncated: true }
  thing_deleted: { topic_id: null; id: string; thing: Pick<Thing, 'id'>; changed: true; truncated?: true }
  thing_updated:
    | {
        topic_id: null
        id: string
        thing: Thing
        changed: true
        changed_fields: (keyof Thing)[]
        old?: Partial<Pick<Thing, 'id'>>
        truncated?: never
      }
    | {
        topic_id: null
        id: string
        thing: Pick<Thing, 'id'>
        changed: true
        changed_fields: (keyof Thing)[]
        old?: Partial<Pick<Thing, 'id'>>
        truncated: true
      }
}

/** A row of public.things. */
export interface Thing {
  '1st': number | null
  'Größe': number | null
  'a b': number | null
  a_2d: (number | null)[][] | null
  a_amount: (string | null)[] | null
  a_f: (Float | null)[]
  a_grid: ((string | null)[][] | null)[] | null
  a_i8: (string | null)[] | null
  a_js: Json[] | null
  a_mood: ('sad' | 'so la la' | 'it\'s "fine" \\' | '`${x}`' | null)[] | null
  a_part:
    | ({ At: string | null; 'b"\\': string | null; mood: 'sad' | 'so la la' | 'it\'s "fine" \\' | '`${x}`' | null; n: string | null; sure: string; tags: (string | null)[] | null } | null)[]
    | null
  a_txt: (string | null)[] | null
  a_tz: (string | null)[] | null
  a_yes: (boolean | null)[] | null
  amount: string
  b: string | null
  bin: string | null
  bx: string | null
  cash: string | null
  ch: string | null
  d: string | null
  doubled: string | null
  f4: Float | null
  f8: Float
  grid: (string | null)[][] | null
  i2: number
  i4: number | null
  i8: string | null
  id: string
  ip: string | null
  iv: string | null
  jb: Json
  js: Json
  lsn: string | null
  mac: string | null
  mood: 'sad' | 'so la la' | 'it\'s "fine" \\' | '`${x}`'
  mood_null: 'sad' | 'so la la' | 'it\'s "fine" \\' | '`${x}`' | null
  net: string | null
  nm: string | null
  num: string | null
  obj: string | null
  one: string | null
  own_rng: string | null
  part: {
    At: string | null
    'b"\\': string | null
    mood: 'sad' | 'so la la' | 'it\'s "fine" \\' | '`${x}`' | null
    n: string | null
    sure: string
    tags: (string | null)[] | null
  } | null
  path: string | null
  perhaps: boolean | null
  pt: string | null
  reg: string | null
  rng: string | null
  seam: { f: Float | null; n: number | null } | null
  some_part: {
    At: string | null
    'b"\\': string | null
    mood: 'sad' | 'so la la' | 'it\'s "fine" \\' | '`${x}`' | null
    n: string | null
    sure: string
    tags: (string | null)[] | null
  } | null
  sure: string
  surer: string
  t: string | null
  tag: string | null
  tags: string | null
  ts: string | null
  tsv: string | null
  ttz: string | null
  txt: string
  type: number | null
  tz: string
  tz3: string | null
  u: string | null
  vb: string | null
  vc: string | null
  whole: {
    name: string | null
    parts:
      | ({ At: string | null; 'b"\\': string | null; mood: 'sad' | 'so la la' | 'it\'s "fine" \\' | '`${x}`' | null; n: string | null; sure: string; tags: (string | null)[] | null } | null)[]
      | null
  } | null
  x: string | null
  yes: boolean
}

/** A float4 or float8. JSON has no number for the last three; Number(x) makes one of all of them. */
export type Float = number | 'NaN' | 'Infinity' | '-Infinity'

/** A json or jsonb. */
export type Json = string | number | boolean | null | Json[] | { [key: string]: Json }
