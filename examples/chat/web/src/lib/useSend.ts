import { useMutation } from '@tanstack/react-query'
import type { Api } from '../api'
import { useUser } from '../user'

/**
 * A write that waits for its event: nothing is shown before, and nothing is
 * invalidated here. The event map does that, in this pane and in the other.
 */
export function useSend<Input>(send: (api: Api, input: Input, mutationId: string) => Promise<unknown>) {
  const { api, client, toasts } = useUser()
  return useMutation({
    mutationFn: (input: Input) => send(api, input, client.newMutationId()),
    onError: error => toasts.add({ kind: 'failed', text: error.message }),
  })
}
