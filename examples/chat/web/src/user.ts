import { QueryClient } from '@tanstack/react-query'
import { createContext, useContext } from 'react'
import { type Client, createClient } from 'rowcast'
import { type Api, createApi } from './api'
import { frames } from './features/frames/frames'
import { journey } from './features/journey/journey'
import { requests } from './features/lab/requests'
import { toastRack } from './features/toasts/toasts'
import { createNetwork, type Network } from './features/websocket/network'
import { createStore, type Store } from './lib/store'
import { type Events, schema } from './rowcast'
import { createSession } from './session'

export const USERS = { olena: 'Olena', maks: 'Maks' } as const

export type UserId = keyof typeof USERS

/** One person at one browser: Olena and Maks share nothing of this. */
export interface User {
  id: UserId
  name: string
  session: ReturnType<typeof createSession>
  api: Api
  client: Client<Events>
  network: Network
  queryClient: QueryClient
  toasts: ReturnType<typeof toastRack>
  /** Invalidate once per event, as one would without a scheduler. */
  naive: Store<boolean>
  /** The keys under which rows were shown before the server had named them. */
  rowKeys: Map<string, string>
}

export function createUser(id: UserId): User {
  const session = createSession(id)
  const network = createNetwork(frame => frames.add({ ...frame, user: id }))
  return {
    id,
    name: USERS[id],
    session,
    api: createApi(id, session.token, {
      answered: requests.touch,
      committed: (mutationId, ms) => journey.committed(mutationId, { user: id, ms }),
    }),
    client: createClient<Events>({ schema, token: session.token, url: network.url, WebSocket: network.WebSocket }),
    network,
    // Events say what is stale; nothing else is.
    queryClient: new QueryClient({ defaultOptions: { queries: { staleTime: Number.POSITIVE_INFINITY, retry: 1 } } }),
    toasts: toastRack(),
    naive: createStore(false),
    rowKeys: new Map(),
  }
}

export const UserContext = createContext<User | null>(null)

export function useUser(): User {
  const user = useContext(UserContext)
  if (!user) throw new Error('useUser: no <UserContext>')
  return user
}
