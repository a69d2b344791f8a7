import { useGet } from '../../lib/useGet'
import { useUser } from '../../user'
import { LISTS } from '../websocket/eventQueryMap'
import { keys } from '../websocket/queryKeys'

export interface Topic {
  id: string
  title: string
  private: boolean
  /** To read it, by the API. The daemon asks the same function. */
  allowed: boolean
}

export const useTopics = () => useGet<Topic[]>(keys.topics, '/topics')

/** What a user's page joins: of private topics those that it may. What is said there is sent nowhere else. */
export function useJoined(open: string): string[] {
  const { id } = useUser()
  const { data = [] } = useTopics()
  const mine = data.filter(topic => topic.private && topic.allowed)
  return [...LISTS, `user_${id}`, ...new Set([open, ...mine.map(topic => topic.id)].map(topic => `topic_${topic}`))]
}
