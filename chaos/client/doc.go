// Package client is the three kinds of clients, as docs/protocol.md describes
// them, each of which keeps a journal of what it is sent.
//
// It is an implementation of its own and shares no line with the daemon, for it
// is the witness.
//
//	Library   rowcast.v1 over a WebSocket
//	Plain     a WebSocket without a protocol of its own
//	Stream    server-sent events
//
// A client is one goroutine, Run's. It spends its life in a read; the deadline of
// that read is its clock, so that habits, patience and what others ask of it need
// no goroutines and no locks.
//
//	            ┌──────────────── pause ◀───────────────┐
//	            ▼                                       │
//	connect ─▶ handshake ─▶ read ─┬─ a frame: obey, write it down
//	                          ▲   ├─ the clock: a habit; silence; ask again
//	                          └───┘                     │
//	                          └─ the end ─ fetch what is owed
//
// A careful client: it goes on from its cursor, asks again for what could not be
// decided, fetches what a $resync names, and remembers a recovered:false even if
// the connection breaks before the $resync comes. It fetches at once and not
// within spread_ms: the earlier a refetch, the less it hides.
package client
