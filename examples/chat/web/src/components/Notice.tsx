import type { ReactNode } from 'react'
import { Lock } from './Lock'

interface Props {
  testId: string
  code?: string
  title: string
  children: ReactNode
}

/** In the place of what is not for whoever looks: what it is, and what to do. */
export function Notice({ testId, code, title, children }: Props) {
  return (
    <div className="notice" role="status" data-testid={testId} data-code={code}>
      <Lock />
      <h3>{title}</h3>
      {children}
    </div>
  )
}
