import { time } from '../../lib/format'
import { useEndRun, useRun } from './queries'

/** The page that a toast leads to. */
export function RunDetail({ id }: { id: string }) {
  const { data: run, error } = useRun(id)
  const end = useEndRun(id)
  const running = run?.status === 'running'
  return (
    <section
      className="detail"
      aria-label={`Run ${id}`}
      data-testid="run-detail"
      data-id={id}
      data-status={run?.status}
    >
      <h3>Run {id}</h3>
      <p>
        {error?.message}
        {run && `Started ${time(run.started_at)}`}
        {run?.finished_at && `, ${run.status} ${time(run.finished_at)}`}
        {run?.error && `: ${run.error}`}
      </p>
      <p className="detail-actions">
        <button
          type="button"
          data-testid="run-complete"
          disabled={!running}
          onClick={() => end.mutate({ status: 'completed' })}
        >
          Complete
        </button>
        <button
          type="button"
          data-testid="run-fail"
          disabled={!running}
          onClick={() => end.mutate({ status: 'failed', error: 'out of memory' })}
        >
          Let it fail
        </button>
      </p>
    </section>
  )
}
