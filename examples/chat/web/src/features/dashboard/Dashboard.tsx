import { Failure } from '../../components/Failure'
import { useGet } from '../../lib/useGet'
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
  const { data, error } = useGet<Counts>(keys.dashboard, '/dashboard')
  if (error) return <Failure error={error} />
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
