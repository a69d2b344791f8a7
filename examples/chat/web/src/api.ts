import { createStore } from './lib/store'

/** How long the server waits before each answer: the lab's "slow API". */
export const delayMs = createStore(0)

/** Is told of what the page shows about its own requests. */
export interface Meter {
  answered(): void
  committed(mutationId: string, ms: number): void
}

export type Api = ReturnType<typeof createApi>

/** One user's HTTP, with the token that the socket has too. The server counts the GETs of each client by name. */
export function createApi(client: string, token: () => Promise<string | null>, meter: Meter) {
  async function call<T>(
    method: string,
    path: string,
    { body, mutationId, signal }: { body?: unknown; mutationId?: string; signal?: AbortSignal },
  ) {
    const headers = {
      Authorization: `Bearer ${await token()}`,
      'X-Client': client,
      'X-Delay': `${delayMs.get()}`,
      'X-Mutation-Id': mutationId ?? '',
    }
    const init = { method, headers, body: JSON.stringify(body) ?? null, signal: signal ?? null }
    const response = await fetch(`/api${path}`, init).finally(meter.answered)
    const commit = commitOf(response)
    if (mutationId && commit) meter.committed(mutationId, Number(commit))
    if (response.status === 204) return undefined as T
    const answer = await response.json()
    if (!response.ok) throw new Error(answer.error)
    return answer as T
  }

  return {
    get: <T>(path: string, signal: AbortSignal) => call<T>('GET', path, { signal }),
    post: <T>(path: string, body: unknown, mutationId: string) => call<T>('POST', path, { body, mutationId }),
    patch: <T>(path: string, body: unknown, mutationId: string) => call<T>('PATCH', path, { body, mutationId }),
    remove: (path: string, mutationId: string) => call<void>('DELETE', path, { mutationId }),
  }
}

/** `Server-Timing: commit;dur=1.83`: from BEGIN to the end of COMMIT. */
const commitOf = (response: Response) => /commit;dur=([\d.]+)/.exec(response.headers.get('Server-Timing') ?? '')?.[1]
