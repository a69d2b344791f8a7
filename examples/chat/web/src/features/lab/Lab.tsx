import { useState } from 'react'
import { delayMs } from '../../api'
import { useStore } from '../../lib/store'
import { requests } from './requests'

const DELAYS = [
  [0, 'at once'],
  [150, '150 ms'],
  [1500, '1.5 s'],
] as const
const BURST = { topic_id: '7', count: 500, per_second: 500, author: 'burst' }

/** What puts both pages under strain. */
export function Lab() {
  const delay = useStore(delayMs)
  const [refused, setRefused] = useState<string | null>(null)

  async function burst() {
    await requests.reset() // what follows is this burst's
    const response = await fetch('/api/burst', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(BURST),
    })
    setRefused(response.ok ? null : 'Not yet: one burst at a time')
  }

  return (
    <section className="lab" aria-label="Strain">
      <button
        type="button"
        className="primary"
        data-testid="burst"
        title="500 transactions, one message each, in a second"
        onClick={() => void burst()}
      >
        Burst of 500
      </button>
      <fieldset className="segments" title="The server keeps each answer back this long">
        <legend>API answers after</legend>
        {DELAYS.map(([ms, label]) => (
          <label key={ms}>
            <input
              type="radio"
              name="delay"
              data-testid={`delay-${ms}`}
              checked={delay === ms}
              onChange={() => delayMs.set(ms)}
            />
            <span>{label}</span>
          </label>
        ))}
      </fieldset>
      <p className="soft small" role="status">
        {refused}
      </p>
    </section>
  )
}
