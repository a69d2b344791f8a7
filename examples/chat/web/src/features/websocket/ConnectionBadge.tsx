import type { ConnectionState } from 'rowcast'
import { useSecondsLeft } from '../../lib/useSecondsLeft'

interface Props {
  state: ConnectionState
  nextRetryAt: number | null
  onRetry(): void
}

/** The state in a word, and how long until the next attempt. */
export function ConnectionBadge({ state, nextRetryAt, onRetry }: Props) {
  const seconds = useSecondsLeft(nextRetryAt)
  return (
    <span className="badge" data-testid="badge" data-state={state}>
      <span role="status" data-testid="connection-state">
        {state}
      </span>
      {seconds !== null && (
        // Not part of the status: a screen reader would read every second.
        <span className="countdown" data-testid="countdown" aria-hidden="true">
          in {seconds} s
        </span>
      )}
      {(state === 'reconnecting' || state === 'disconnected') && (
        <button type="button" className="link" data-testid="retry" onClick={onRetry}>
          Retry now
        </button>
      )}
    </span>
  )
}
