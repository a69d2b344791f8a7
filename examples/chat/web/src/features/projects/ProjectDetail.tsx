import { AddForm } from '../../components/AddForm'
import { useDeleteProject, useProject, useUpdateProject } from './queries'

/** The page of one project: a query of its own beside the list's. */
export function ProjectDetail({ id }: { id: string }) {
  const { data: project } = useProject(id)
  const update = useUpdateProject(id)
  const remove = useDeleteProject(id)
  return (
    <section className="detail" aria-label="Project" data-testid="project-detail" data-id={id}>
      <h3 data-testid="project-detail-name">{project?.name ?? '…'}</h3>
      <AddForm label="New name" button="Rename" testId="project-rename" onAdd={name => update.mutate({ name })} />
      <p className="detail-actions">
        <button
          type="button"
          data-testid="project-archive"
          disabled={!project}
          onClick={() => update.mutate({ archived: !project?.archived })}
        >
          {project?.archived ? 'Take out of the archive' : 'Archive'}
        </button>
        <button type="button" data-testid="project-delete" onClick={() => remove.mutate()}>
          Delete
        </button>
      </p>
    </section>
  )
}
