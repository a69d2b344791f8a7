import type { AnyEvents, Client, ClientOptions, EventMap } from './types.js'

export declare function createClient<E extends EventMap = AnyEvents>(options?: ClientOptions): Client<E>
