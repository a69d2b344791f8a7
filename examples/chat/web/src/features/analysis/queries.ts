import { useQuery } from '@tanstack/react-query'
import { useSend } from '../../lib/useSend'
import type { AnalysisRun } from '../../rowcast'
import { useUser } from '../../user'
import { keys } from '../websocket/queryKeys'

export function useRuns() {
  const { api } = useUser()
  return useQuery({ queryKey: keys.runs, queryFn: ({ signal }) => api.get<AnalysisRun[]>('/analysis/runs', signal) })
}

export function useRun(id: string) {
  const { api } = useUser()
  return useQuery({
    queryKey: keys.run(id),
    queryFn: ({ signal }) => api.get<AnalysisRun>(`/analysis/runs/${id}`, signal),
  })
}

export const useStartRun = (topicId: string) =>
  useSend<void>((api, _, mutationId) => api.post('/analysis/runs', { topic_id: topicId }, mutationId))

export const useEndRun = (id: string) =>
  useSend((api, end: { status: 'completed' } | { status: 'failed'; error: string }, mutationId) =>
    api.patch(`/analysis/runs/${id}`, end, mutationId),
  )
