import { createStore } from '../../lib/store'
import { throttle } from '../../lib/throttle'
import { USERS } from '../../user'

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
  async reset() {
    await Promise.all(Object.keys(USERS).map(id => fetch(`/api/requests/${id}`, { method: 'DELETE' })))
    await read()
  },
}
