import { type QueryKey, useQuery } from '@tanstack/react-query'
import { useUser } from '../user'

/** What the API answers this user. */
export function useGet<T>(queryKey: QueryKey, path: string) {
  const { api } = useUser()
  return useQuery({ queryKey, queryFn: ({ signal }) => api.get<T>(path, signal) })
}
