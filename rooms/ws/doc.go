// Package ws is the WebSocket endpoint: both levels of docs/protocol.md, on the
// hub of package rooms.
//
// A Handler upgrades a request and gives the connection to a session. The session
// lives on without the request:
//
//	        ┌──── reader ────▶ desk ───┐ auth, joins and leaves, in order
//	        │        │ pong, error     ▼
//	client ─┤        └──────────▶ Subscriber ◀──── hub: events
//	        │                          │ Next
//	        └──── writer ◀─────────────┘
//
// The reader always reads, so that pings and closes are seen: what may wait waits
// at the desk, a token for keys, a join for the application's answer or for what
// a client that is ahead of this instance has seen. It stops only for a client
// that asks and does not read its answers. All that the client is told goes
// through its Subscriber's queue, in one order; the writer is the only one who
// takes from it.
//
//	arriving ─▶ open ──┬─ Finish(last, ending) ─▶ draining ─▶ close frame ─▶ ended
//	                   ├─ Close(ending) ────────────────────▶ close frame ─▶ ended
//	                   └─ Close(errGone) ─────────────────────────────────▶ ended
//
// Whoever sees the end first, reader, writer, desk, hub, a timer or Shutdown,
// gives the cause to the Subscriber; the first cause counts. The writer then
// closes the connection as the cause says, and the session ends when reader and
// desk have.
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
// handshake. It writes through our socket, past which events and control frames
// go in batches, whole frames in one system call; the socket is also heartbeat
// and write timeout. A connection that shares prepared frames with its room would
// take the socket's place and the writer's; nothing else knows how a frame is
// written.
//
// Goroutines: reader and writer for each session, one at its desk while there is
// something to do. Handler.Shutdown waits for all of them. The package never
// imports pgx, pglisten, bridge or config.
package ws
