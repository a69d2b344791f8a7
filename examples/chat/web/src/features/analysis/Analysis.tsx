import { Listing } from '../../components/Listing'
import { RowButton } from '../../components/RowButton'
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
          <RowButton id={run.id} testId="run" title={`Run ${run.id}`} open={open} onOpen={onOpen}>
            <span className="tag" data-status={run.status} data-testid={`run-${run.id}-status`}>
              {run.status}
            </span>
          </RowButton>
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
