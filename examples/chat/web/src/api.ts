import { createStore } from './lib/store'

/** How long the server waits before each answer: the lab's "slow API". */
export const delayMs = createStore(0)

export class ApiError extends Error {
  readonly status: number

  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

/** Is told of what the page shows about its own requests. */
export interface Meter {
  answered(): void
  committed(mutationId: string, ms: number): void
}

export type Api = ReturnType<typeof createApi>

/** One user's HTTP. The server counts the GETs of each client by name. */
export function createApi(client: string, meter: Meter) {
  async function call<T>(
    method: string,
    path: string,
    options: { body?: unknown; mutationId?: string; signal?: AbortSignal },
  ) {
    const headers = new Headers({ 'X-Client': client })
    if (delayMs.get() > 0) headers.set('X-Delay', String(delayMs.get()))
    if (options.mutationId) headers.set('X-Mutation-Id', options.mutationId)
    if (options.body !== undefined) headers.set('Content-Type', 'application/json')

    const init: RequestInit = { method, headers }
    if (options.signal) init.signal = options.signal
    if (options.body !== undefined) init.body = JSON.stringify(options.body)
    const response = await fetch(`/api${path}`, init).finally(meter.answered)
    if (options.mutationId) {
      const commit = commitOf(response)
      if (commit !== null) meter.committed(options.mutationId, commit)
    }
    if (response.status === 204) return undefined as T
    const answer: unknown = await response.json()
    if (!response.ok) throw new ApiError(response.status, errorOf(answer) ?? response.statusText)
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
function commitOf(response: Response): number | null {
  const found = /\bcommit;dur=([\d.]+)/.exec(response.headers.get('Server-Timing') ?? '')
  return found ? Number(found[1]) : null
}

function errorOf(answer: unknown): string | null {
  const { error } = (answer ?? {}) as { error?: unknown }
  return typeof error === 'string' ? error : null
}
