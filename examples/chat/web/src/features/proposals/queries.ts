import { useQuery } from '@tanstack/react-query'
import { useSend } from '../../lib/useSend'
import type { Proposal } from '../../rowcast'
import { useUser } from '../../user'
import { keys } from '../websocket/queryKeys'

export function useProposals() {
  const { api } = useUser()
  return useQuery({ queryKey: keys.proposals, queryFn: ({ signal }) => api.get<Proposal[]>('/proposals', signal) })
}

export const useCreateProposal = (topicId: string) =>
  useSend((api, title: string, mutationId) => api.post('/proposals', { topic_id: topicId, title }, mutationId))

export const useDecide = (id: string) =>
  useSend((api, status: 'approved' | 'rejected', mutationId) => api.patch(`/proposals/${id}`, { status }, mutationId))
