import { useSendMessage } from '../features/messages/queries'
import { useStore } from '../lib/store'
import { useSecondsLeft } from '../lib/useSecondsLeft'
import { useUser } from '../user'

const OFFLINE_MS = 10_000

/** What can be done to this one user. */
export function PaneLab({ topicId }: { topicId: string }) {
  const { name, network, naive } = useUser()
  const isNaive = useStore(naive)
  const left = useSecondsLeft(useStore(network.refusedUntil))
  const send = useSendMessage(topicId)
  return (
    <section className="pane-lab" aria-label={`What can happen to ${name}`}>
      <button type="button" data-testid="drop" title="It comes back and resumes" onClick={network.drop}>
        Drop my socket
      </button>
      <button
        type="button"
        data-testid="offline"
        title="No socket for ten seconds. HTTP still works."
        disabled={left !== null}
        onClick={() => network.offline(OFFLINE_MS)}
      >
        Offline <span className="seconds">{left ?? 10}</span> s
      </button>
      <button
        type="button"
        data-testid="send-too-long"
        title="501 characters: refused with 422, and taken back"
        onClick={() => send('too long '.repeat(56).slice(0, 501))}
      >
        Refused message
      </button>
      <label className="switch" title="One invalidateQueries per event, without a scheduler">
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
