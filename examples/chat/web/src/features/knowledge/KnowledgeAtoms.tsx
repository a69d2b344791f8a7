import { AddForm } from '../../components/AddForm'
import { Listing } from '../../components/Listing'
import type { Knowledge } from '../../rowcast'
import { useAtoms, useCreateAtom, useUpdateAtom } from './queries'

export function KnowledgeAtoms({ topicId }: { topicId: string }) {
  const atoms = useAtoms()
  const create = useCreateAtom(topicId)
  return (
    <>
      <Listing query={atoms} label="Knowledge" empty="Nothing known yet." testId="atoms">
        {atom => <Atom atom={atom} />}
      </Listing>
      <AddForm label="New entry" button="Add" testId="atom-title" onAdd={create.mutate} />
    </>
  )
}

function Atom({ atom: { id, title, content } }: { atom: Knowledge }) {
  const update = useUpdateAtom(id)
  return (
    <details className="atom" data-testid={`atom-${id}`}>
      <summary>
        <span className="row-title">{title}</span>
        <span className="row-text" data-testid={`atom-${id}-content`}>
          {content}
        </span>
      </summary>
      <AddForm label="New text" button="Save" testId={`atom-${id}-text`} onAdd={update.mutate} />
    </details>
  )
}
