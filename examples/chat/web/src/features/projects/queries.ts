import { useQuery } from '@tanstack/react-query'
import { useSend } from '../../lib/useSend'
import type { Project } from '../../rowcast'
import { useUser } from '../../user'
import { keys } from '../websocket/queryKeys'

export function useProjects() {
  const { api } = useUser()
  return useQuery({ queryKey: keys.projects, queryFn: ({ signal }) => api.get<Project[]>('/projects', signal) })
}

export function useProject(id: string) {
  const { api } = useUser()
  return useQuery({ queryKey: keys.project(id), queryFn: ({ signal }) => api.get<Project>(`/projects/${id}`, signal) })
}

export const useCreateProject = () =>
  useSend((api, name: string, mutationId) => api.post('/projects', { name }, mutationId))

export const useUpdateProject = (id: string) =>
  useSend((api, change: Partial<Pick<Project, 'name' | 'archived'>>, mutationId) =>
    api.patch(`/projects/${id}`, change, mutationId),
  )

export const useDeleteProject = (id: string) =>
  useSend<void>((api, _, mutationId) => api.remove(`/projects/${id}`, mutationId))
