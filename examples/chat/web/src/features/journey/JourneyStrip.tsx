import type { CSSProperties } from 'react'
import { ms } from '../../lib/format'
import { useStore } from '../../lib/store'
import { USERS, type UserId } from '../../user'
import { HOPS } from './hops'
import { type Journey, journey } from './journey'
import './journey.css'

const IDS = Object.keys(USERS) as UserId[]

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
        {IDS.map(id => (
          <span key={id}>{USERS[id]}</span>
        ))}
      </div>
      <ol key={now?.id} className="hops">
        {HOPS.map((hop, i) => (
          <li
            key={hop.id}
            className="hop"
            title={hop.title}
            data-testid={`hop-${hop.id}`}
            data-lit={now !== null && (hop.reached?.(readings) ?? true)}
            style={{ '--i': i } as CSSProperties}
          >
            <span className="hop-name">{hop.label(now)}</span>
            {IDS.map(id => (
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
      <details className="meanings soft">
        <summary>Shown slowed down; the figures are measured</summary>
        <dl>
          {HOPS.map(hop => (
            <div key={hop.id}>
              <dt>{hop.label(now)}</dt>
              <dd>{hop.title}</dd>
            </div>
          ))}
        </dl>
      </details>
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
