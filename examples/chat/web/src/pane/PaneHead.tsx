import type { ReactNode } from 'react'
import { useUser } from '../user'

interface Props {
  button: string
  testId: string
  onClick(): void
  children?: ReactNode
}

export function PaneHead({ button, testId, onClick, children }: Props) {
  const { name } = useUser()
  return (
    <header className="pane-head">
      <span className="face" aria-hidden="true">
        {name[0]}
      </span>
      <h2>{name}</h2>
      {children}
      <button type="button" className="quiet" data-testid={testId} onClick={onClick}>
        {button}
      </button>
    </header>
  )
}
