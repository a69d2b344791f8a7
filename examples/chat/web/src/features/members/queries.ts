import { useEffect, useMemo } from 'react'
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

/** Other codes pass: a topic that nobody can judge now is asked for again. */
const CLOSED = ['forbidden', 'revoked']

/** Comes in where this user is let in, and keeps nothing of what is closed. Returns those topics, and the codes. */
export function useAccess(): ReadonlyMap<string, string> {
  const { id, client, queryClient } = useUser()
  const { denied } = useWebSocket<Events>({
    topics: [`user_${id}`],
    onEvent: event => {
      if (event.type === 'membership_created') client.retry()
    },
  })
  const closed = useMemo(() => {
    const topics = Object.entries(denied).filter(([, { code }]) => CLOSED.includes(code))
    return new Map(topics.map(([topic, { code }]) => [topic.replace('topic_', ''), code]))
  }, [denied])
  useEffect(() => {
    for (const topicId of closed.keys()) {
      queryClient.removeQueries({ queryKey: keys.messages(topicId) })
      queryClient.removeQueries({ queryKey: keys.members(topicId) })
    }
  }, [closed, queryClient])
  return closed
}
