// Package ws is the WebSocket endpoint: both levels of docs/protocol.md, on the
// hub of package rooms.
//
// A Handler upgrades a request and gives the connection to a session. The session
// lives on without the request:
//
//	        ┌──── reader ────▶ desk ───┐ joins and leaves, in order
//	        │        │ pong, error     ▼
//	client ─┤        └──────────▶ Subscriber ◀──── hub: events
//	        │                          │ Next
//	        └──── writer ◀─────────────┘
//
// The reader always reads, so that pings and closes are seen: what may wait, a
// join of a client that is ahead of this instance, waits at the desk. It stops
// only for a client that asks and does not read its answers. All that the client
// is told goes through its Subscriber's queue, in one order; the writer is the
// only one who takes from it.
//
//	joining ──▶ open ──┬─ Finish(last, ending) ─▶ draining ─▶ close frame ─▶ ended
//	                   ├─ Close(ending) ────────────────────▶ close frame ─▶ ended
//	                   └─ Close(errGone) ─────────────────────────────────▶ ended
//
// Whoever sees the end first, reader, writer or Shutdown, gives the cause to the
// Subscriber; the first cause counts. The writer then closes the connection as
// the cause says, and the session ends when reader and desk have.
//
// A connection that is refused for a limit is a session whose subscriber was
// finished before it began: browsers see nothing of a refused upgrade, so it is
// upgraded, told by $error, and closed.
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
