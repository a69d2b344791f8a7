import { useGet } from '../../lib/useGet'
import { useSend } from '../../lib/useSend'
import type { AnalysisRun } from '../../rowcast'
import { keys } from '../websocket/queryKeys'

export const useRuns = () => useGet<AnalysisRun[]>(keys.runs, '/analysis/runs')

export const useRun = (id: string) => useGet<AnalysisRun>(keys.run(id), `/analysis/runs/${id}`)

export const useStartRun = (topicId: string) =>
  useSend<void>((api, _, mutationId) => api.post('/analysis/runs', { topic_id: topicId }, mutationId))

export const useEndRun = (id: string) =>
  useSend((api, end: { status: 'completed' } | { status: 'failed'; error: string }, mutationId) =>
    api.patch(`/analysis/runs/${id}`, end, mutationId),
  )
