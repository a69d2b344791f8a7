import { createStore } from './lib/store'

interface Login {
  token: string
  expires: string
}

/** With less left than this a token is renewed. The daemon says a minute before the end that it comes. */
const SPARE_MS = 90_000

/** One user's login. This demo asks for no password. */
export function createSession(user: string) {
  const signedIn = createStore(true)
  let login: Promise<Login> | undefined

  async function logIn(): Promise<Login> {
    const response = await fetch('/api/login', { method: 'POST', body: JSON.stringify({ user }) })
    if (!response.ok) throw new Error(`login: ${response.status}`)
    return (await response.json()) as Login
  }

  return {
    signedIn,
    /** For createClient and for the API: who asks gets one that lasts. Null: signed out. */
    async token(): Promise<string | null> {
      if (!signedIn.get()) return null
      const known = await login?.catch(() => undefined)
      if (!known || Date.parse(known.expires) - Date.now() < SPARE_MS) login = logIn()
      return (await login)?.token ?? null
    },
    signIn: () => signedIn.set(true),
    signOut() {
      signedIn.set(false)
      login = undefined
    },
  }
}
