import { useState } from 'react'
import { AddForm } from '../../components/AddForm'
import { Listing } from '../../components/Listing'
import { ProjectDetail } from './ProjectDetail'
import { useCreateProject, useProjects } from './queries'

export function Projects() {
  const projects = useProjects()
  const create = useCreateProject()
  const [open, setOpen] = useState<string | null>(null)
  const there = projects.data?.some(p => p.id === open)
  return (
    <>
      <Listing query={projects} label="Projects" empty="No projects." testId="projects">
        {project => (
          <button
            type="button"
            className="row-button"
            data-testid={`project-${project.id}`}
            aria-expanded={project.id === open}
            onClick={() => setOpen(project.id === open ? null : project.id)}
          >
            <span className="row-title">{project.name}</span>
            {project.archived && <span className="tag">archived</span>}
          </button>
        )}
      </Listing>
      {open && there && <ProjectDetail key={open} id={open} />}
      <AddForm label="New project" button="Add" testId="project-name" onAdd={create.mutate} />
    </>
  )
}
