import { createStore } from '../../lib/store'
import { throttle } from '../../lib/throttle'

/** The GETs that the server has counted, by client. */
const counts = createStore<Readonly<Record<string, number>>>({})

async function read() {
  const response = await fetch('/api/requests')
  if (response.ok) counts.set((await response.json()) as Record<string, number>)
}

export const requests = {
  counts,
  /** Somebody has asked for something: look again, soon. */
  touch: throttle(() => void read().catch(() => undefined), 250),
  async reset(clients: readonly string[]) {
    await Promise.all(clients.map(name => fetch(`/api/requests/${name}`, { method: 'DELETE' })))
    await read()
  },
}
