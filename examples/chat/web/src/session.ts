import { createStore } from './lib/store'

/** With less left than this a token is renewed. The daemon says a minute before the end that it comes. */
const SPARE_MS = 90_000

/** One user's login. This demo asks for no password. */
export function createSession(user: string) {
  const signedIn = createStore(true)
  let login: Promise<string> | null = null
  let expires = 0

  async function logIn(): Promise<string> {
    expires = Number.POSITIVE_INFINITY // nobody else has to ask meanwhile
    try {
      const response = await fetch('/api/login', { method: 'POST', body: JSON.stringify({ user }) })
      if (!response.ok) throw new Error(response.statusText)
      const answer = (await response.json()) as { token: string; expires: string }
      expires = Date.parse(answer.expires)
      return answer.token
    } catch (error) {
      expires = 0
      throw error
    }
  }

  return {
    signedIn,
    /** For createClient and for the API: a token that lasts. Null: signed out. */
    async token(): Promise<string | null> {
      if (!signedIn.get()) return null
      if (expires - Date.now() < SPARE_MS) login = logIn()
      return login
    },
    signIn: () => signedIn.set(true),
    signOut() {
      signedIn.set(false)
      expires = 0
    },
  }
}
