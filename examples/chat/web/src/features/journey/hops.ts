import type { Journey, Reading } from './journey'

export interface Hop {
  id: string
  label(journey: Journey | null): string
  title: string
  /** By default at once, with the event. */
  reached?(readings: Reading[]): boolean
}

const verb = (op: string) => (op === 'emit' ? 'emit()' : op.toUpperCase())

/** Up to the sockets nothing is measured but the whole: one figure for four hops. */
export const HOPS: Hop[] = [
  {
    id: 'commit',
    label: j => `${verb(j?.op ?? 'insert')} … COMMIT`,
    title: 'From BEGIN to the end of COMMIT, by the API’s Server-Timing. Not known of a write from a terminal.',
  },
  {
    id: 'trigger',
    label: () => 'trigger',
    title: 'The trigger of rowcast.watch() sees the row. Timed with the sockets.',
  },
  {
    id: 'log',
    label: () => 'log',
    title: 'In the same transaction, the event is a row of the log. Timed with the sockets.',
  },
  {
    id: 'room',
    label: j => `room ${j?.room ?? 'topic_7'}`,
    title: 'After the commit the daemon reads it and finds the room. Timed with the sockets.',
  },
  {
    id: 'sockets',
    label: j => (j && Object.keys(j.readings).length === 1 ? '1 socket' : '2 sockets'),
    title:
      'Arrival at the page minus the event’s `at`, when the trigger ran: trigger, the rest of the transaction, log, room and socket together.',
  },
  {
    id: 'refetch',
    label: () => 'refetch',
    title: 'The first GET of this topic’s messages that began after the event arrived.',
    reached: r => r.some(x => x.refetch !== undefined),
  },
  {
    id: 'dom',
    label: () => 'DOM',
    title: 'From the event’s `at` until the row was in the document: all of the above. Who wrote it saw it at once.',
    reached: r => r.some(x => x.dom !== undefined || x.optimistic),
  },
]
