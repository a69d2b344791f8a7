import { createContext, createElement, type ReactElement, type ReactNode, useContext } from 'react'
import { type AnyEvents, type Client, createClient, type EventMap } from '../index.js'

// What a client's events are is said by whoever asks for the client.
type SomeClient = Client<never>

const Context = createContext<SomeClient | undefined>(undefined)

let pageClient: SomeClient | undefined

export interface RowcastProviderProps<E extends EventMap> {
  client: Client<E>
  children?: ReactNode
}

/** Gives its children a client of their own. Needed only by those who want another one than that for `/ws`. */
export function RowcastProvider<E extends EventMap>({ client, children }: RowcastProviderProps<E>): ReactElement {
  return createElement(Context.Provider, { value: client as unknown as SomeClient }, children)
}

/** The client of the nearest `RowcastProvider`; without one, the page's own client for `/ws`. */
export function useRowcast<E extends EventMap = AnyEvents>(): Client<E> {
  const provided = useContext(Context)
  if (provided) return provided as unknown as Client<E>
  pageClient ??= createClient() as unknown as SomeClient
  return pageClient as unknown as Client<E>
}
