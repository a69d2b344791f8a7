import { useSendMessage } from '../features/messages/queries'
import { useStore } from '../lib/store'
import { useClock } from '../lib/useClock'
import { useUser } from '../user'

const OFFLINE_MS = 10_000

/** What can be done to this one user. */
export function PaneLab({ topicId }: { topicId: string }) {
  const { name, network, naive } = useUser()
  const isNaive = useStore(naive)
  const refusedUntil = useStore(network.refusedUntil)
  const now = useClock(refusedUntil !== null)
  const send = useSendMessage(topicId)
  const left = refusedUntil === null ? 0 : Math.max(0, Math.ceil((refusedUntil - now) / 1000))
  return (
    <section className="pane-lab" aria-label={`What can happen to ${name}`}>
      <button
        type="button"
        data-testid="drop"
        title="Close the socket: it comes back and resumes"
        onClick={network.drop}
      >
        Drop my socket
      </button>
      <button
        type="button"
        data-testid="offline"
        title="Close the socket and refuse new ones for ten seconds. HTTP still works."
        disabled={refusedUntil !== null}
        onClick={() => network.offline(OFFLINE_MS)}
      >
        Offline <span className="seconds">{refusedUntil === null ? 10 : left}</span> s
      </button>
      <button
        type="button"
        data-testid="send-too-long"
        title="501 characters: shown at once, refused with 422, taken back"
        onClick={() => send('too long '.repeat(56).slice(0, 501))}
      >
        Refused message
      </button>
      <label className="switch" title="One invalidateQueries per event, as one would write it without a scheduler">
        <input
          type="checkbox"
          role="switch"
          aria-checked={isNaive}
          data-testid="naive"
          checked={isNaive}
          onChange={e => naive.set(e.target.checked)}
        />
        <span>Naive mode</span>
      </label>
    </section>
  )
}
