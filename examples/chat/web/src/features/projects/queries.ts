import { useGet } from '../../lib/useGet'
import { useSend } from '../../lib/useSend'
import type { Project } from '../../rowcast'
import { keys } from '../websocket/queryKeys'

export const useProjects = () => useGet<Project[]>(keys.projects, '/projects')

export const useProject = (id: string) => useGet<Project>(keys.project(id), `/projects/${id}`)

export const useCreateProject = () =>
  useSend((api, name: string, mutationId) => api.post('/projects', { name }, mutationId))

export const useUpdateProject = (id: string) =>
  useSend((api, change: Partial<Pick<Project, 'name' | 'archived'>>, mutationId) =>
    api.patch(`/projects/${id}`, change, mutationId),
  )

export const useDeleteProject = (id: string) =>
  useSend<void>((api, _, mutationId) => api.remove(`/projects/${id}`, mutationId))
