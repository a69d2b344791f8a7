import type { Query, QueryClient } from '@tanstack/query-core'
import { expectTypeOf, test } from 'vitest'
import { type Client, createClient, type RowcastEvent } from '../src/index.js'
import { type BindOptions, bindQueries, many } from '../src/query.js'
import { useQueryInvalidation, useRowcast, useWebSocket } from '../src/react.js'

interface Events {
  message_created: { topic_id: string; id: string; message: { content: string } }
  message_deleted: { topic_id: string; id: string }
  project_updated: { id: string; changed: boolean }
  analysis_completed: { run_id: string }
}

/** As applications have it. */
const EVENT_QUERY_MAP = {
  message_created: ['messages'],
  message_updated: ['messages'],
  message_deleted: ['messages'],
  project_updated: ['projects'],
  analysis_completed: ['analysis', 'runs'],
} as const
const MUTABLE_MAP = { message_created: ['messages'], message_deleted: ['messages', 7] }
const ANY_MAP: Record<string, string[]> = MUTABLE_MAP as never

const client = {} as Client<Events>
const queryClient = {} as QueryClient
const bind = (options: Omit<BindOptions<Events>, 'topics'>) =>
  bindQueries(client, queryClient, { topics: ['messages'], ...options })

test('a map of event types to keys is what it takes', () => {
  bind({ invalidate: EVENT_QUERY_MAP })
  bind({ invalidate: MUTABLE_MAP })
  bind({ invalidate: ANY_MAP })
  useQueryInvalidation<Events>({ topics: ['messages'], invalidate: EVENT_QUERY_MAP })
  useQueryInvalidation({ topics: ['messages'], invalidate: EVENT_QUERY_MAP })
  useQueryInvalidation({ topics: ['messages'], invalidate: { anything: e => [e.type, e.payload.topic_id] } })
})

test('a rule is any of these', () => {
  bind({
    invalidate: {
      message_created: e => ['messages', 'topic', e.payload.topic_id],
      message_deleted: (e, { own }) => (own ? null : { queryKey: ['message', e.payload.id], exact: true }),
      project_updated: e => many(['projects'], { queryKey: ['project', e.payload.id], refetchType: 'all' }, null),
      analysis_completed: { predicate: (query: Query) => query.queryKey[0] === 'analysis' },
    },
    patch: {
      message_created(e, cache) {
        expectTypeOf(cache).toEqualTypeOf<QueryClient>()
        cache.setQueryData(['message', e.payload.id], e.payload.message)
        return true
      },
      message_deleted: e => {
        e.payload.id
      },
    },
    onEvent: {
      analysis_completed(e, { own }) {
        expectTypeOf(e).toEqualTypeOf<RowcastEvent<'analysis_completed', { run_id: string }>>()
        expectTypeOf(own).toEqualTypeOf<boolean>()
      },
    },
    onResync: ({ topics }) => ['messages', topics],
    holdWhile: query => query.queryKey[0] === 'messages' && queryClient.isMutating() > 0,
  })
})

test('all of it at once', () => {
  const qc = queryClient
  const auth = { token: () => null as string | null }
  const toast = { success: (_: string) => {} }
  const upsert = (_: RowcastEvent<'message_created', Events['message_created']>, _cache: QueryClient) => true
  const [id, topics, enabled] = ['7', ['messages'], true]
  createClient<Events>({ url: '/ws', token: () => auth.token() })
  useWebSocket<Events>({ topics, onMessage: m => JSON.parse(m.data), onEvent: (e, { own }) => [e.type, own], enabled })
  const { connectionState, retry, denied } = useQueryInvalidation<Events>({
    topics: [`topic_${id}`],
    invalidate: {
      message_deleted: ['messages'],
      message_created: e => ['messages', 'topic', e.payload.topic_id],
      project_updated: e => many({ queryKey: ['projects'] }, { queryKey: ['project', e.payload.id], exact: true }),
    },
    patch: { message_created: (e, qc) => upsert(e, qc) },
    onEvent: {
      analysis_completed: (_, { own }) => {
        if (!own) toast.success('Analysis completed')
      },
    },
    onResync: 'all',
    windowMs: 100,
    holdWhile: _ => qc.isMutating({ mutationKey: ['send'] }) > 0,
  })
  expectTypeOf(connectionState).toEqualTypeOf<'connecting' | 'connected' | 'reconnecting' | 'disconnected'>()
  expectTypeOf(retry).toEqualTypeOf<() => void>()
  expectTypeOf(denied).toEqualTypeOf<Client['denied']>()
})

test('wrong event names, payload fields and keys are errors', () => {
  // @ts-expect-error: no such event
  bind({ invalidate: { message_creatd: ['messages'] } })
  // @ts-expect-error: no such event
  bind({ patch: { message_creatd: () => true } })
  // @ts-expect-error: no such event
  bind({ onEvent: { message_creatd: () => {} } })
  // @ts-expect-error: no such event
  useQueryInvalidation<Events>({ topics: [], invalidate: { message_creatd: ['messages'] } })
  // @ts-expect-error: no such field
  bind({ invalidate: { message_created: e => ['messages', e.payload.topicId] } })
  // @ts-expect-error: no such field
  bind({ onEvent: { analysis_completed: e => e.payload.error } })
  // @ts-expect-error: another event's field
  bind({ patch: { message_deleted: e => e.payload.message } })
  // @ts-expect-error: a key is an array
  bind({ invalidate: { message_created: 'messages' } })
  // @ts-expect-error: a key is an array
  bind({ invalidate: { message_created: () => 'messages' } })
  // @ts-expect-error: a key is an array
  bind({ invalidate: { message_created: () => ({ queryKey: 'messages' }) } })
  // @ts-expect-error: no such filter
  bind({ invalidate: { message_created: { key: ['messages'] } } })
  // @ts-expect-error: a key is an array
  many('messages')
  // @ts-expect-error: topics are needed
  bindQueries(client, queryClient, {})
  // @ts-expect-error: neither all nor none
  bind({ onResync: 'some' })
})

test('hooks know the events', () => {
  useWebSocket<Events>({
    topics: ['messages'],
    onMessage: m => expectTypeOf(m.data).toEqualTypeOf<string>(),
    onEvent(e) {
      if (e.type === 'message_created') expectTypeOf(e.payload.message.content).toEqualTypeOf<string>()
      // @ts-expect-error: no such event
      e.type === 'message_creatd'
    },
  })
  useWebSocket({ topics: ['messages'], onEvent: e => expectTypeOf(e.payload.id).toEqualTypeOf<unknown>() })
  expectTypeOf(useRowcast<Events>()).toEqualTypeOf<Client<Events>>()
  const { connectionState, retry, denied, nextRetryAt } = useWebSocket({ topics: [] })
  expectTypeOf(connectionState).toEqualTypeOf<'connecting' | 'connected' | 'reconnecting' | 'disconnected'>()
  expectTypeOf(retry).toEqualTypeOf<() => void>()
  expectTypeOf(denied.topic_7?.code).toEqualTypeOf<string | undefined>()
  expectTypeOf(nextRetryAt).toEqualTypeOf<number | null>()
  // @ts-expect-error: topics are an array
  useWebSocket({ topics: 'messages' })
})
