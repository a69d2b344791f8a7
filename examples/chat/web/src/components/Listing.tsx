import type { UseQueryResult } from '@tanstack/react-query'
import type { ReactNode } from 'react'
import { Failure } from './Failure'

interface Props<Row> {
  query: UseQueryResult<Row[]>
  label: string
  empty: string
  testId: string
  children(row: Row): ReactNode
}

/** The rows of a query, or why there are none. */
export function Listing<Row extends { id: string }>({ query, label, empty, testId, children }: Props<Row>) {
  if (query.error) return <Failure error={query.error} />
  if (query.data?.length === 0) return <p className="hint">{empty}</p>
  return (
    <ul className="listing" aria-label={label} data-testid={testId}>
      {query.data?.map(row => (
        <li key={row.id} data-testid={`${testId}-row`} data-id={row.id}>
          {children(row)}
        </li>
      ))}
    </ul>
  )
}
