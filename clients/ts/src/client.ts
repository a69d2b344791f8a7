import { createListeners, keep } from './listeners.js'
import { settings as withDefaults } from './settings.js'
import { createSocket, type Socket } from './socket.js'
import { createTopics, type Topics } from './topics.js'
import type { AnyEvents, Client, ClientOptions, EventMap, Listener } from './types.js'

/** So many of the client's own mutations are known again. */
const OWN_MUTATIONS = 1000

/** Makes a client. It connects when somebody subscribes, and touches nothing global before. */
export function createClient<E extends EventMap = AnyEvents>(options: ClientOptions = {}): Client<E> {
  const settings = withDefaults(options)
  const { schema, lingerMs, random, warn, development } = settings
  const own = new Set<string>()
  const callbacks = new Set<() => void>()
  let badFrames = 0
  let linger: ReturnType<typeof setTimeout> | undefined

  const isOwn = ({ mutation_id }: { mutation_id?: string }) => mutation_id !== undefined && own.has(mutation_id)
  const listeners = createListeners(settings, isOwn)
  const change = () => {
    for (const callback of [...callbacks]) listeners.guard(callback)
  }

  const socket: Socket = createSocket(settings, {
    change,
    welcome(frame) {
      if (development && schema && frame.schema && frame.schema !== schema) {
        warn('the types are not those of the tables: run `rowcast types`')
      }
      topics.welcome(frame.maxTopics)
    },
    frame(frame, data) {
      switch (frame.kind) {
        case 'event':
          topics.cursor(frame.event.cursor)
          return listeners.event(frame.event, data)
        case '$joined':
          return topics.answered(frame)
        case '$error':
          warn(`the server reports ${frame.error.code}`, frame.error.message)
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
    resync: ({ topics, reason, spreadMs }) => listeners.resync({ topics, reason, spreadMs }),
  })

  return {
    subscribe(names, listener = {}) {
      const mine = new Set(names)
      clearTimeout(linger)
      const remove = listeners.add(mine, listener as unknown as Listener, topics.isJoined)
      topics.acquire(mine)
      socket.start()
      let over = false
      return () => {
        if (over) return
        over = true
        remove()
        topics.release(mine)
        if (listeners.size) return
        linger = setTimeout(() => {
          topics.clear()
          socket.stop('connecting')
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
      const id = [random(), random()].map(n => n.toString(36).slice(2)).join('')
      keep(own, id, OWN_MUTATIONS)
      return id
    },
    isOwn,
    retry() {
      if (listeners.size) socket.revive()
    },
    authChanged() {
      if (!listeners.size) return
      socket.stop('connecting')
      socket.revive()
    },
    close() {
      socket.stop('disconnected')
    },
  }
}
