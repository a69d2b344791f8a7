import { useGet } from '../../lib/useGet'
import { useSend } from '../../lib/useSend'
import type { Knowledge } from '../../rowcast'
import { keys } from '../websocket/queryKeys'

export const useAtoms = () => useGet<Knowledge[]>(keys.atoms, '/knowledge/atoms')

export const useCreateAtom = (topicId: string) =>
  useSend((api, title: string, mutationId) =>
    api.post('/knowledge/atoms', { topic_id: topicId, title, content: title }, mutationId),
  )

export const useUpdateAtom = (id: string) =>
  useSend((api, content: string, mutationId) => api.patch(`/knowledge/atoms/${id}`, { content }, mutationId))
