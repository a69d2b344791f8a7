import type { Journey, Reading } from './journey'

export interface Hop {
  id: string
  label(journey: Journey | null): string
  title: string
  reached(readings: Reading[]): boolean
}

const VERBS: Record<string, string> = { insert: 'INSERT', update: 'UPDATE', delete: 'DELETE', emit: 'emit()' }
const all = () => true

/** Up to the sockets nothing is measured but the whole: one figure for four hops. */
export const HOPS: Hop[] = [
  {
    id: 'commit',
    label: j => `${VERBS[j?.op ?? 'insert']} … COMMIT`,
    title:
      'From BEGIN to the end of COMMIT, measured by the API and sent as Server-Timing. A write from a terminal has no such figure.',
    reached: all,
  },
  {
    id: 'trigger',
    label: () => 'trigger',
    title: 'The trigger of rowcast.watch() sees the row. No figure of its own: see the sockets.',
    reached: all,
  },
  {
    id: 'log',
    label: () => 'log',
    title: 'In the same transaction, the event is a row of the log. No figure of its own: see the sockets.',
    reached: all,
  },
  {
    id: 'room',
    label: j => `room ${j?.room ?? 'topic_7'}`,
    title: 'After the commit the daemon reads it and finds the room. No figure of its own: see the sockets.',
    reached: all,
  },
  {
    id: 'sockets',
    label: j => (j && Object.keys(j.readings).length === 1 ? '1 socket' : '2 sockets'),
    title:
      'Arrival at the page minus the event’s `at`, the moment the trigger ran, both by this machine’s clock: trigger, the rest of the transaction, log, room and socket together.',
    reached: all,
  },
  {
    id: 'refetch',
    label: () => 'refetch',
    title: 'Duration of the first GET of this topic’s messages that began after the event arrived.',
    reached: r => r.some(x => x.refetch !== undefined),
  },
  {
    id: 'dom',
    label: () => 'DOM',
    title:
      'From the event’s `at` until React had put the row into the document: everything above together. Who wrote it saw it at once.',
    reached: r => r.some(x => x.dom !== undefined || x.optimistic),
  },
]
