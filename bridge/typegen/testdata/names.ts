// Made by `rowcast types` from the watched tables. Do not edit; renew it with: rowcast types --out FILE

/** The hash of these types, for createClient: in development it warns when the server's is another. */
export const schema = '62d501da63b9'

/** Where rows are sent. What the application emits itself may go to other topics. */
export type Topic = 'all' | `t_${string}_${string}`

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
  class_created:
    | { topic_id: string | null; id: string; class: Class; changed: true; truncated?: never }
    | {
        topic_id: string | null
        id: string
        class: Pick<Class, '$' | 'a`b' | 'back\\slash' | 'new\u000aline' | 'x\'y'>
        changed: true
        truncated: true
      }
  class_deleted:
    | {
        topic_id: string | null
        id: string
        class: Pick<Class, 'a`b' | 'back\\slash' | 'new\u000aline' | 'x\'y'>
        changed: true
        truncated?: true
        moved: true
      }
    | {
        topic_id: string | null
        id: string
        class: Pick<Class, '$' | 'a`b' | 'back\\slash' | 'new\u000aline' | 'x\'y'>
        changed: true
        truncated?: true
        moved?: never
      }
  class_updated:
    | {
        topic_id: string | null
        id: string
        class: Class
        changed: true
        changed_fields: (keyof Class)[]
        old?: Partial<Pick<Class, 'a`b' | 'back\\slash' | 'new\u000aline' | 'x\'y'>>
        truncated?: never
      }
    | {
        topic_id: string | null
        id: string
        class: Pick<Class, '$' | 'a`b' | 'back\\slash' | 'new\u000aline' | 'x\'y'>
        changed: true
        changed_fields: (keyof Class)[]
        old?: Partial<Pick<Class, 'a`b' | 'back\\slash' | 'new\u000aline' | 'x\'y'>>
        truncated: true
      }
  events_created: { topic_id: null; id: string; events: EventsRow; changed: true; truncated?: true }
  function:
    | {
        topic_id: string | null
        id: string
        class: Class
        changed: true
        truncated?: never
        '*/': number | null
        '-': number
        __proto__: number | null
        new: number
      }
    | {
        topic_id: string | null
        id: string
        class: Pick<Class, '$' | 'a`b' | 'back\\slash' | 'new\u000aline' | 'x\'y'>
        changed: true
        truncated: true
        '*/': number | null
        '-': number
        __proto__: number | null
        new: number
      }
  json_created:
    | { topic_id: null; id: string; json: JsonRow; changed: true; truncated?: never }
    | { topic_id: null; id: string; json: Pick<JsonRow, 'id'>; changed: true; truncated: true }
  run1_created: { topic_id: null; id: string; run1: Run1; changed: true; truncated?: true }
  run_1_created: { topic_id: null; id: string; run_1: Run1Row; changed: true; truncated?: true }
}

/** A row of a*\/b.new line. */
export interface Class {
  $: number | null
  '${x}': number | null
  '*/': number | null
  __proto__: number | null
  'a`b': number
  'back\\slash': number
  class: number | null
  constructor: number | null
  'new\u000aline': number
  'x\'y': number
  'назва': string | null
  '😀': number
}

/** A row of public.d. */
export interface EventsRow {
  id: number
}

/** A row of public.c. */
export interface JsonRow {
  id: number
  v: Json
}

/** A row of public.b. */
export interface Run1 {
  id: number
}

/** A row of public.a. */
export interface Run1Row {
  id: number
}

/** A json or jsonb. */
export type Json = string | number | boolean | null | Json[] | { [key: string]: Json }
