import type { EventOf } from 'rowcast'
import { epochMs, now } from '../../lib/now'
import { createStore } from '../../lib/store'
import type { Events } from '../../rowcast'
import type { UserId } from '../../user'

/** What one user's page measured of an event. All in ms. */
export interface Reading {
  /** When it arrived, since the epoch. */
  arrivedAt: number
  /** From the change to this socket. */
  socket: number
  /** Of the first refetch that began after it. */
  refetch?: number
  /** From the change until the document showed it. */
  dom?: number
  /** This user made the change, and was shown it before it was one. */
  optimistic: boolean
}

interface Commit {
  user: UserId
  ms: number
}

/** One event's way, as far as it has come. */
export interface Journey {
  id: string
  op: string
  room: string
  rowId: string | undefined
  topicId: string | null
  mutationId: string | undefined
  at: number
  /** From BEGIN to the end of COMMIT, and whose; null for what was not written here. */
  commit: Commit | null
  readings: Partial<Record<UserId, Reading>>
}

const SHOWN_MS = 1000 // how long an event stays, in a burst; what was written here is always shown

const current = createStore<Journey | null>(null)
const commits = new Map<string, Commit>() // of writes whose event has not come yet
let startedAt = 0

function update(user: UserId, change: (reading: Reading, journey: Journey) => Reading) {
  const journey = current.get()
  const reading = journey?.readings[user]
  if (!journey || !reading) return
  const next = change(reading, journey)
  if (next !== reading) current.set({ ...journey, readings: { ...journey.readings, [user]: next } })
}

export const journey = {
  current,

  /** The server has said how long a transaction took. */
  committed(mutationId: string, commit: Commit) {
    const known = current.get()
    if (known?.mutationId === mutationId) return current.set({ ...known, commit })
    commits.set(mutationId, commit)
    if (commits.size > 100) commits.delete(commits.keys().next().value ?? '')
  },

  arrived(user: UserId, event: EventOf<Events>, arrivedAt: number, own: boolean) {
    if (!event.id) return
    let known = current.get()
    if (!known || known.id !== event.id) {
      if (!event.mutation_id && arrivedAt - startedAt < SHOWN_MS) return
      startedAt = arrivedAt
      known = begin(event, event.id)
    }
    const socket = Math.max(0, arrivedAt - known.at)
    const optimistic = own && event.type.startsWith('message_')
    current.set({ ...known, readings: { ...known.readings, [user]: { arrivedAt, socket, optimistic } } })
  },

  /** A topic's list was asked for at `asked` and is here. */
  fetched(user: UserId, topicId: string, asked: number) {
    update(user, (reading, { topicId: wanted }) =>
      topicId !== wanted || asked < reading.arrivedAt || reading.refetch !== undefined
        ? reading
        : { ...reading, refetch: now() - asked },
    )
  },

  /** A message's row, its new text or its end has reached the document. */
  shown(user: UserId, rowId: string) {
    update(user, (reading, { rowId: wanted, at }) =>
      rowId !== wanted || reading.optimistic || reading.dom !== undefined
        ? reading
        : { ...reading, dom: Math.max(0, now() - at) },
    )
  },
}

function begin(event: EventOf<Events>, id: string): Journey {
  const { payload, mutation_id: mutationId } = event
  return {
    id,
    op: event.op,
    room: event.topics[0] ?? '',
    rowId: payload.id,
    topicId: payload.topic_id,
    mutationId,
    at: epochMs(event.at),
    commit: commits.get(mutationId ?? '') ?? null,
    readings: {},
  }
}
