import type { CSSProperties } from 'react'
import { ms } from '../../shared/format'
import { useStore } from '../../shared/store'
import type { UserId } from '../../user'
import { type Journey, journey, type Reading } from './journey'
import './journey.css'

const USERS: [UserId, string][] = [
  ['olena', 'Olena'],
  ['maks', 'Maks'],
]

interface Hop {
  id: string
  label(journey: Journey | null): string
  title: string
  reached(readings: Reading[]): boolean
}

const VERBS: Record<string, string> = { insert: 'INSERT', update: 'UPDATE', delete: 'DELETE', emit: 'emit()' }
const all = () => true

/** Up to the sockets nothing is measured but the whole: one figure for four hops. */
const HOPS: Hop[] = [
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

/** What happens between the panes, hop by hop. */
export function JourneyStrip() {
  const now = useStore(journey.current)
  const readings = Object.values(now?.readings ?? {})
  const shown = Math.max(...readings.map(r => r.dom ?? 0))
  const arrived = Math.max(...readings.map(r => r.socket))
  return (
    <section
      className="journey"
      aria-labelledby="journey-title"
      data-testid="journey"
      data-event={now?.id}
      data-idle={!now}
    >
      <h2 id="journey-title" className="journey-total">
        <span data-testid="journey-total">{now ? ms(shown || arrived) : '0.0'}</span> ms
        <small>from the database to the {shown || !now ? 'other page' : 'last socket'}</small>
      </h2>
      <div className="journey-users" aria-hidden="true">
        {USERS.map(([id, name]) => (
          <span key={id}>{name}</span>
        ))}
      </div>
      <ol key={now?.id} className="hops">
        {HOPS.map((hop, i) => (
          <li
            key={hop.id}
            className="hop"
            title={hop.title}
            data-testid={`hop-${hop.id}`}
            data-lit={now !== null && hop.reached(readings)}
            style={{ '--i': i } as CSSProperties}
          >
            <span className="hop-name">{hop.label(now)}</span>
            {USERS.map(([id]) => (
              <span
                key={id}
                className={`figure ${hop.id}`}
                data-there={!now || id in now.readings}
                data-testid={`ms-${hop.id}-${id}`}
              >
                {now && figure(hop.id, now, id)}
              </span>
            ))}
          </li>
        ))}
      </ol>
      <p className="soft small">Shown slowed down. The figures are measured; hover one to see how.</p>
    </section>
  )
}

function figure(hop: string, { commit, readings }: Journey, user: UserId): string {
  const reading = readings[user]
  if (hop === 'dom' && reading?.optimistic) return 'at once'
  const measured = {
    commit: commit?.user === user ? commit.ms : undefined,
    sockets: reading?.socket,
    refetch: reading?.refetch,
    dom: reading?.dom,
  }[hop]
  return measured === undefined ? '' : ms(measured)
}
