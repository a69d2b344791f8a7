import { QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { type ReactNode, StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { RowcastProvider } from 'rowcast/react'
import { Pane } from './pane/Pane'
import { Evidence } from './stage/Evidence'
import { Stage } from './stage/Stage'
import { createUser, UserContext } from './user'
import './styles/base.css'

const users = [createUser('olena', 'Olena'), createUser('maks', 'Maks')]

function mount(id: string, children: ReactNode) {
  const element = document.getElementById(id)
  if (!element) throw new Error(`index.html has no #${id}`)
  createRoot(element).render(<StrictMode>{children}</StrictMode>)
}

// Two users, as in two browsers: each with a root, a QueryClient and a socket.
for (const user of users) {
  mount(
    user.id,
    <UserContext value={user}>
      <QueryClientProvider client={user.queryClient}>
        <RowcastProvider client={user.client}>
          <Pane />
        </RowcastProvider>
      </QueryClientProvider>
    </UserContext>,
  )
}

mount(
  'stage',
  <QueryClientProvider client={new QueryClient()}>
    <Stage users={users} />
  </QueryClientProvider>,
)
mount('evidence', <Evidence />)
