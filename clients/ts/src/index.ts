export { createClient } from './client.js'
export type { Denial, EventOf, RowcastEvent } from './protocol.js'
export type * from './types.js'
