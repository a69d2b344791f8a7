// Package ws is the WebSocket endpoint: both levels of docs/protocol.md, on the
// hub of package rooms.
//
// A Handler upgrades a request and gives the connection to a session. The session
// lives on without the request:
//
//	        ┌──── reader ────▶ desk ───┐ auth, joins and leaves, in order
//	        │        │ pong, error     ▼
//	client ─┤        └──────────▶ Subscriber ◀──── hub: events
//	        │                          │ Send
//	        └──── socket ◀─────────────┘
//
// The reader always reads, so that pings and closes are seen: what may wait waits
// at the desk, a token for keys, a join for the application's answer or for what
// a client that is ahead of this instance has seen. It stops only for a client
// that asks and does not read its answers. All that the client is told goes
// through its Subscriber's queue, in one order; the session is the outlet of that.
//
//	arriving ─▶ open ──┬─ Finish(last, ending) ─▶ draining ─▶ close frame ─▶ ended
//	                   ├─ Close(ending) ────────────────────▶ close frame ─▶ ended
//	                   └─ Close(errGone) ─────────────────────────────────▶ ended
//
// Whoever sees the end first, reader, socket, desk, hub, keeper, a timer or Shutdown,
// gives the cause to the Subscriber; the first cause counts. When nothing more is to be
// sent the hub says so (End), the connection is closed as the cause says, and the
// session ends when reader and desk have.
//
// A connection that is refused is a session whose subscriber was finished before
// it began: browsers see nothing of a refused upgrade, so it is upgraded, told by
// $error, and closed.
//
// Who the client is, ServeHTTP finds out from the handshake, before the 101. At
// the library level it may also say it in its first words, and a fresh token in
// later ones:
//
//	           auth: good ──▶ $authed, $welcome
//	┌─────────┐               ┌────────┐ auth: good, same subject ─▶ $authed, narrowed
//	│ unknown │ ────────────▶ │ signed │ auth: bad ────────────────▶ $error, the old one counts
//	└─────────┘               │   in   │ a minute left ────────────▶ $token_expiring
//	  auth: bad, a join, or   └────────┘ none left ────────────────▶ $error, 4401
//	  nothing in time ─▶ $error, 4401
//
// A revocation comes from the hub, in its place between the events. Who is told
// when joining that a topic is forbidden, or by a fresh token, leaves it too.
//
// The library (coder/websocket) does handshake, reading, pongs and the close
// handshake. It writes through our socket, past which the hub's frames go, as they are
// and several in one system call that does not wait. What the kernel does not take is
// left to a flusher, and the hub sends no more before that is written: a client that
// does not read costs its queue, and some references to what many share. The contract
// with the library is in contract_test.go.
//
// Goroutines: a reader for each session; one at its desk, and a flusher, while there is
// something to do; one that closes the connection. An idle connection is its reader,
// asleep, and what that needs: 10 kB. The keeper, a timer for all, pings those of whom
// nothing is heard. Handler.Shutdown waits for everything. The package never imports
// pgx, pglisten, bridge or config.
package ws
