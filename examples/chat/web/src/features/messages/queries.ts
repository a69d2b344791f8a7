import { notifyManager, type QueryClient, useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { now } from '../../lib/now'
import type { Message } from '../../rowcast'
import { useUser } from '../../user'
import { journey } from '../journey/journey'
import { keys } from '../websocket/queryKeys'

/** A message on the screen; pending: the server has not confirmed it. */
export type ShownMessage = Message & { pending?: boolean }

const UNSAVED = 'unsaved-' // how an id begins until the server has given one

export interface Page {
  total: number
  messages: ShownMessage[]
}

export function useMessages(topicId: string) {
  const { api, id: user } = useUser()
  return useQuery({
    queryKey: keys.messages(topicId),
    queryFn: async ({ signal }) => {
      const asked = now()
      const page = await api.get<Page>(`/topics/${topicId}/messages?limit=50`, signal)
      journey.fetched(user, topicId, asked)
      return page
    },
  })
}

interface Write {
  /** What the list looks like before the server has answered … */
  optimistic(page: Page): Page
  send(): Promise<Message | undefined>
  /** … and with its answer, or with its refusal. */
  confirmed(page: Page, row: Message | undefined): Page
  refused(page: Page): Page
  onShown?(): void
  onRefused?(): void
}

/**
 * Optimistic writes to one topic's list. Their mutation key is the key of the
 * query they write to, so that `heldByWrites` finds them: no refetch may
 * replace the list while the server does not know what the list shows.
 */
function useWrite(topicId: string) {
  const queryClient = useQueryClient()
  const { toasts } = useUser()
  const queryKey = keys.messages(topicId)
  const edit = (change: (page: Page) => Page) => queryClient.setQueryData<Page>(queryKey, page => page && change(page))

  return useMutation({
    mutationKey: queryKey,
    mutationFn: (write: Write) => write.send(),
    onMutate: async write => {
      await queryClient.cancelQueries({ queryKey })
      edit(write.optimistic)
      if (write.onShown) notifyManager.schedule(write.onShown) // after those who show the list
    },
    onSuccess: (row, write) => {
      edit(page => write.confirmed(page, row))
    },
    onError: (error, write) => {
      edit(write.refused)
      write.onRefused?.()
      toasts.add({ kind: 'failed', text: `Taken back: ${error.message}` })
      // Its refetch was cancelled above, and no event will ask for another.
      void queryClient.invalidateQueries({ queryKey })
    },
  })
}

/** For useQueryInvalidation: which queries wait for a write of this user. */
export const heldByWrites = (queryClient: QueryClient) => (query: { queryKey: readonly unknown[] }) =>
  queryClient.isMutating({ mutationKey: query.queryKey, exact: true }) > 0

export function useSendMessage(topicId: string) {
  const { api, client, name, rowKeys } = useUser()
  const write = useWrite(topicId)

  return (content: string, onRefused?: () => void) => {
    const mutationId = client.newMutationId()
    const shown: ShownMessage = {
      id: `${UNSAVED}${mutationId}`,
      topic_id: topicId,
      author: name,
      content,
      feed: null, // the server's to say
      created_at: new Date().toISOString(),
      pending: true,
    }
    write.mutate({
      optimistic: page => ({ total: page.total + 1, messages: [...page.messages, shown] }),
      send: async () => {
        const row = await api.post<Message>(`/topics/${topicId}/messages`, { author: name, content }, mutationId)
        rowKeys.set(row.id, shown.id) // the same element on the screen, whoever brings the row
        return row
      },
      confirmed: (page, row) => {
        if (!row) return page
        const others = page.messages.filter(m => m.id !== shown.id && m.id !== row.id)
        return { ...page, messages: [...others, row].sort(byId) }
      },
      refused: page => ({ total: page.total - 1, messages: page.messages.filter(m => m.id !== shown.id) }),
      ...(onRefused && { onRefused }),
    })
  }
}

export function useEditMessage(message: ShownMessage) {
  const { api, client } = useUser()
  const write = useWrite(message.topic_id)
  const replace = (page: Page, row: ShownMessage) => ({
    ...page,
    messages: page.messages.map(m => (m.id === row.id ? row : m)),
  })

  return (content: string, onShown: () => void) => {
    const mutationId = client.newMutationId()
    write.mutate({
      onShown,
      optimistic: page => replace(page, { ...message, content, pending: true }),
      send: () => api.patch<Message>(`/messages/${message.id}`, { content }, mutationId),
      confirmed: (page, row) => (row ? replace(page, row) : page),
      refused: page => replace(page, message),
    })
  }
}

export function useDeleteMessage(message: ShownMessage) {
  const { api, client } = useUser()
  const write = useWrite(message.topic_id)

  return () => {
    const mutationId = client.newMutationId()
    write.mutate({
      optimistic: page => ({ total: page.total - 1, messages: page.messages.filter(m => m.id !== message.id) }),
      send: async () => {
        await api.remove(`/messages/${message.id}`, mutationId)
        return undefined
      },
      confirmed: page => page,
      refused: page => ({ total: page.total + 1, messages: [...page.messages, message].sort(byId) }),
    })
  }
}

/** Rows in the order of the server; those it has not named yet come last. */
function byId(a: ShownMessage, b: ShownMessage): number {
  if (named(a) && named(b)) return Number(BigInt(a.id) - BigInt(b.id))
  return Number(named(b)) - Number(named(a))
}

const named = (message: ShownMessage) => !message.id.startsWith(UNSAVED)
