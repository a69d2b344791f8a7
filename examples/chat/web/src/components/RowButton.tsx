import type { ReactNode } from 'react'

interface Props {
  id: string
  testId: string
  title: string
  open: string | null
  onOpen(id: string | null): void
  children: ReactNode
}

/** A row that shows its details below the list, one at a time. */
export function RowButton({ id, testId, title, open, onOpen, children }: Props) {
  return (
    <button
      type="button"
      className="row-button"
      data-testid={`${testId}-${id}`}
      aria-expanded={id === open}
      onClick={() => onOpen(id === open ? null : id)}
    >
      <span className="row-title">{title}</span>
      {children}
    </button>
  )
}
