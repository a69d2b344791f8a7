import { useQuery } from '@tanstack/react-query'
import { useUser } from '../../user'
import { keys } from '../websocket/queryKeys'

export interface Topic {
  id: string
  title: string
}

export function useTopics() {
  const { api } = useUser()
  return useQuery({ queryKey: keys.topics, queryFn: ({ signal }) => api.get<Topic[]>('/topics', signal) })
}
