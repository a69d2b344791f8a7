import { QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { type ReactNode, StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { RowcastProvider } from 'rowcast/react'
import { FrameLog } from './features/frames/FrameLog'
import { Histogram } from './features/latency/Histogram'
import { Pane } from './pane/Pane'
import { Stage } from './stage/Stage'
import { createUser, UserContext } from './user'
import './styles/base.css'

const users = [createUser('olena'), createUser('maks')]

function mount(id: string, children: ReactNode) {
  createRoot(document.getElementById(id) as HTMLElement).render(<StrictMode>{children}</StrictMode>)
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
mount(
  'evidence',
  <>
    <FrameLog />
    <Histogram />
  </>,
)
