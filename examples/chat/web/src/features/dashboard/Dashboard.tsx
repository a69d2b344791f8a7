import { useQuery } from '@tanstack/react-query'
import { useUser } from '../../user'
import { keys } from '../websocket/queryKeys'

interface Counts {
  messages: number
  projects: number
  proposals_pending: number
  runs_running: number
  atoms: number
}

const LABELS: [keyof Counts, string][] = [
  ['messages', 'messages'],
  ['projects', 'projects'],
  ['proposals_pending', 'proposals to decide'],
  ['runs_running', 'analyses running'],
  ['atoms', 'things known'],
]

export function Dashboard() {
  const { api } = useUser()
  const { data, error } = useQuery({
    queryKey: keys.dashboard,
    queryFn: ({ signal }) => api.get<Counts>('/dashboard', signal),
  })
  if (error)
    return (
      <p className="hint" role="alert">
        {error.message}
      </p>
    )
  return (
    <dl className="dashboard" data-testid="dashboard">
      {LABELS.map(([count, label]) => (
        <div key={count}>
          <dt>{label}</dt>
          <dd data-testid={`count-${count}`}>{data?.[count] ?? '–'}</dd>
        </div>
      ))}
    </dl>
  )
}
