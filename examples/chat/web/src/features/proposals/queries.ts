import { useGet } from '../../lib/useGet'
import { useSend } from '../../lib/useSend'
import type { Proposal } from '../../rowcast'
import { keys } from '../websocket/queryKeys'

export const useProposals = () => useGet<Proposal[]>(keys.proposals, '/proposals')

export const useCreateProposal = (topicId: string) =>
  useSend((api, title: string, mutationId) => api.post('/proposals', { topic_id: topicId, title }, mutationId))

export const useDecide = (id: string) =>
  useSend((api, status: 'approved' | 'rejected', mutationId) => api.patch(`/proposals/${id}`, { status }, mutationId))
