import { useQuery } from '@tanstack/react-query'
import { useSend } from '../../lib/useSend'
import type { Knowledge } from '../../rowcast'
import { useUser } from '../../user'
import { keys } from '../websocket/queryKeys'

export function useAtoms() {
  const { api } = useUser()
  return useQuery({ queryKey: keys.atoms, queryFn: ({ signal }) => api.get<Knowledge[]>('/knowledge/atoms', signal) })
}

export const useCreateAtom = (topicId: string) =>
  useSend((api, title: string, mutationId) =>
    api.post('/knowledge/atoms', { topic_id: topicId, title, content: title }, mutationId),
  )

export const useUpdateAtom = (id: string) =>
  useSend((api, content: string, mutationId) => api.patch(`/knowledge/atoms/${id}`, { content }, mutationId))
