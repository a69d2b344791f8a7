import { useEffect } from 'react'
import { useGet } from '../../lib/useGet'
import { useSend } from '../../lib/useSend'
import type { Events } from '../../rowcast'
import { useUser } from '../../user'
import { useWebSocket } from '../websocket/hooks/useWebSocket'
import { keys } from '../websocket/queryKeys'

export interface Member {
  member: string
  name: string
  owner: boolean
}

export const useMembers = (topicId: string) => useGet<Member[]>(keys.members(topicId), `/topics/${topicId}/members`)

export const useAddMember = (topicId: string) =>
  useSend((api, member: string, mutationId) => api.post(`/topics/${topicId}/members`, { member }, mutationId))

export const useRemoveMember = (topicId: string) =>
  useSend((api, member: string, mutationId) => api.remove(`/topics/${topicId}/members/${member}`, mutationId))

/** Comes in where this user was let in, and keeps nothing of a topic that was closed. Returns why topics are. */
export function useAccess() {
  const { id, client, queryClient } = useUser()
  const { denied } = useWebSocket<Events>({
    topics: [`user_${id}`],
    onEvent: event => {
      if (event.type === 'membership_created') client.retry()
    },
  })
  useEffect(() => {
    for (const topic of Object.keys(denied)) {
      const topicId = topic.replace('topic_', '')
      queryClient.removeQueries({ queryKey: keys.messages(topicId) })
      queryClient.removeQueries({ queryKey: keys.members(topicId) })
    }
  }, [denied, queryClient])
  return denied
}
