import { Listing } from '../../components/Listing'
import { useRuns, useStartRun } from './queries'
import { RunDetail } from './RunDetail'

interface Props {
  topicId: string
  open: string | null
  onOpen(runId: string | null): void
}

export function Analysis({ topicId, open, onOpen }: Props) {
  const runs = useRuns()
  const start = useStartRun(topicId)
  return (
    <>
      <Listing query={runs} label="Runs" empty="No runs." testId="runs">
        {run => (
          <button
            type="button"
            className="row-button"
            data-testid={`run-${run.id}`}
            aria-expanded={run.id === open}
            onClick={() => onOpen(run.id === open ? null : run.id)}
          >
            <span className="row-title">Run {run.id}</span>
            <span className="tag" data-status={run.status} data-testid={`run-${run.id}-status`}>
              {run.status}
            </span>
          </button>
        )}
      </Listing>
      {open && <RunDetail key={open} id={open} />}
      <p className="add">
        <button type="button" className="primary" data-testid="run-start" onClick={() => start.mutate()}>
          Start an analysis
        </button>
      </p>
    </>
  )
}
