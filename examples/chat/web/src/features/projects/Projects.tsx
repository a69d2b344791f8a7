import { useState } from 'react'
import { AddForm } from '../../components/AddForm'
import { Listing } from '../../components/Listing'
import { RowButton } from '../../components/RowButton'
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
          <RowButton id={project.id} testId="project" title={project.name} open={open} onOpen={setOpen}>
            {project.archived && <span className="tag">archived</span>}
          </RowButton>
        )}
      </Listing>
      {open && there && <ProjectDetail key={open} id={open} />}
      <AddForm label="New project" button="Add" testId="project-name" onAdd={create.mutate} />
    </>
  )
}
