// Package pglisten reads row changes out of Postgres: everything the daemon asks
// of its database at run time goes through here.
//
// Triggers write each change into the event log, rowcast.log, in the transaction
// that made it. A notification only says "look now"; the log is the truth. A
// Source looks: one statement returns what is visible now and was not visible in
// the snapshot of the last reading, ordered by id. That snapshot is the cursor.
//
// What a Sink can rely on: nothing rolled back comes; everything committed comes
// once, or a Reset or Lost says that it may not have; what one transaction did
// comes in its order, and after whatever had been committed before it began. A
// batch comes in pieces and the cursor moves with the last; if the connection
// breaks in between, the next pieces go on exactly behind, from a newer
// snapshot. A slow Sink delays the source and loses nothing.
//
// Run owns two goroutines and ends both before it returns. The reader owns the
// connection that listens and reads, the cursor, and every call of the Sink; no
// lock guards them. The chores, with a connection of their own, look every 10 s
// whether the watched tables are still whole, rotate the log, and write the
// canary: a row of this instance's own that comes back if capture works, and that
// only who knows a Hidden watch ever sees. They leave what they find in the reader's mailbox, as Refresh leaves its request; both
// interrupt its wait for a notification. After the first Reset a lost connection
// is made again for ever.
//
// # The doorbell
//
// rowcast.doorbell holds a time in ms of the server's clock. Ahead: a reader
// polls until then, writers need not notify. Past: ring. So writers pay for a
// NOTIFY, which serialises commits, only while readers sleep.
//
//	          4 rings within 50 ms: promise now + 500 ms
//	┌────────┐ ───────────────────────────────────▶ ┌────────┐
//	│ asleep │                                      │ awake  │ polls every 5 ms,
//	└────────┘                ┌───────────────────▶ └────────┘ promises again
//	  ▲    │                  │  rings again             │     every 250 ms,
//	  │    │ another's        │                          │     relays what it
//	  │    │ promise is over, │     6 polls found        │     found
//	  │    ▼ the log turned   │     nothing: set to now  │
//	  │  ┌──────────┐ ────────┘                          │
//	  └──│ settling │ ◀──────────────────────────────────┘
//	     └──────────┘ ◀── connected: set to now
//	 every transaction below the barrier is over
//
// Settling is the heart of it. A writer reads the doorbell when it already owns
// its xid; the barrier is an xid taken after the doorbell was set back. So once
// a snapshot shows everything below the barrier as over, no writer is left that
// saw the promise and will commit without ringing. In mode Poll nobody rings:
// the doorbell is kept negative.
//
// The barrier also says where to look. The eight slots of the log take turns, and
// a row's id, which a writer takes when it owns its xid, says whose turn it was.
// So who comes after the barrier writes to the slot whose turn it was before it,
// or to a later one. While the turn lasts, a poll looks into that slot alone. The
// poll that finds it over looks again, through all of the log, as do those after
// it, until the reader settles again: a sleeping one does so at once.
//
// # Functions
//
// Functions, apart from all this and on a few connections of its own, calls what
// the application says about tokens and topics: one read-only transaction and
// one round trip a call.
//
// pglisten never imports rooms, bridge, config, net/http or a WebSocket.
package pglisten
