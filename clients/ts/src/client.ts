import { createListeners, guard, memory } from './listeners.js'
import { settings as withDefaults } from './settings.js'
import { createSocket, type Socket } from './socket.js'
import { createTopics, type Topics } from './topics.js'
import type { AnyEvents, Client, ClientOptions, EventMap, Listener } from './types.js'

/** So many of the client's own mutations are known again at least. */
const OWN_MUTATIONS = 1000

/** Makes a client. It connects when somebody subscribes, and touches nothing global before. */
export function createClient<E extends EventMap = AnyEvents>(options: ClientOptions = {}): Client<E> {
  const settings = withDefaults(options)
  const { schema, lingerMs, random, warn } = settings
  const own = memory(OWN_MUTATIONS)
  const callbacks = new Set<() => void>()
  let badFrames = 0
  let users = 0 // subscriptions, and those that ended less than `lingerMs` ago

  const isOwn = ({ mutation_id }: { mutation_id?: string }) => mutation_id !== undefined && own.has(mutation_id)
  const listeners = createListeners(settings, isOwn)
  const change = () => {
    for (const callback of [...callbacks]) if (callbacks.has(callback)) guard(callback)
  }

  const socket: Socket = createSocket(settings, {
    change,
    welcome(frame) {
      if (schema && frame.schema && frame.schema !== schema) {
        warn('the types are not those of the tables: run `rowcast types`')
      }
      topics.welcome()
    },
    frame(frame, data) {
      switch (frame.kind) {
        case 'event':
          topics.cursor(frame.event.cursor)
          return listeners.event(frame.event, data)
        case '$joined':
          return topics.answered(frame)
        case '$error':
          warn('the server reports an error', frame.error)
          return topics.answered(frame)
        case '$left':
          if (frame.error.code) topics.revoked(frame.topics, frame.error.code) // else it answers our leave
          return
        case '$ping':
          return topics.cursor(frame.cursor)
        case '$resync':
          return topics.resync(frame)
      }
    },
    bad(data) {
      if (!badFrames++) warn('skipped a frame that is no event', data)
    },
    lost: () => topics.lost(),
    signedOut: () => topics.forget(),
  })

  const topics: Topics = createTopics(settings, {
    change,
    send: socket.send,
    joined: listeners.joined,
    resync: listeners.resync,
  })

  return {
    subscribe(names, listener = {}) {
      const mine = new Set(names)
      const remove = listeners.add(mine, listener as unknown as Listener, topics.isJoined)
      topics.acquire(mine)
      users++
      socket.start()
      return () => {
        if (!remove()) return
        setTimeout(() => {
          topics.release(mine)
          if (!--users) socket.stop('connecting')
        }, lingerMs)
      }
    },
    get connectionState() {
      return socket.state
    },
    get denied() {
      return topics.denied
    },
    get nextRetryAt() {
      return socket.nextRetryAt
    },
    get badFrames() {
      return badFrames
    },
    onChange(callback) {
      const mine = () => callback() // the same function may be given twice
      callbacks.add(mine)
      return () => {
        callbacks.delete(mine)
      }
    },
    newMutationId() {
      const id = random().toString(36).slice(2) + random().toString(36).slice(2)
      own.add(id)
      return id
    },
    isOwn,
    retry() {
      if (!users) return
      topics.retry()
      socket.revive()
    },
    authChanged() {
      if (!users) return
      socket.stop('connecting')
      socket.revive()
    },
    close() {
      socket.stop('disconnected')
    },
  }
}
