import { useStore } from '../../lib/store'
import type { User } from '../../user'
import { requests } from './requests'

/** What the two ways of refetching cost, side by side. */
export function Requests({ users }: { users: readonly User[] }) {
  const counts = useStore(requests.counts)
  const most = Math.max(20, ...users.map(u => counts[u.id] ?? 0))
  return (
    <section className="requests" aria-labelledby="requests-title" data-testid="requests">
      <header className="stage-head">
        <h2 id="requests-title">Requests</h2>
        <span className="soft">counted by the server</span>
        <button type="button" className="quiet" data-testid="requests-reset" onClick={() => void requests.reset()}>
          Reset
        </button>
      </header>
      {users.map(user => (
        <RequestBar key={user.id} user={user} count={counts[user.id] ?? 0} most={most} />
      ))}
    </section>
  )
}

function RequestBar({ user, count, most }: { user: User; count: number; most: number }) {
  const naive = useStore(user.naive)
  return (
    <p className="request-bar" data-user={user.id} data-naive={naive}>
      <span>
        {user.name} <span className="soft">{naive ? 'naive' : 'rowcast'}</span>
      </span>
      <b data-testid={`requests-${user.id}`}>{count}</b>
      <span className="bar" aria-hidden="true">
        <i style={{ inlineSize: `${(100 * count) / most}%` }} />
      </span>
    </p>
  )
}
