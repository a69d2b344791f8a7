// Package sse is the endpoint of server-sent events (docs/protocol.md): the same
// hub, rooms and events as over a WebSocket, for a browser's EventSource and for
// curl.
//
//	retry: 3120                     how long to wait before coming back, jittered
//	id: <cursor>                    where this stream begins (a new one only)
//
//	id: <cursor>                    an event; also $resync
//	data: {"type":"message_created",…}
//
//	id: <cursor>                    a heartbeat: nothing but a newer cursor
//
// The id is the cursor. A browser that was cut off sends the last one it saw as
// Last-Event-ID, which wins over since= in the URL, and misses nothing. Any
// status but 200 ends an EventSource for good, so only what will never be right
// gets one: 400 for bad topics, 401 for a token, 403 for an origin or a topic.
// Overload, a database that is away and a shutdown answer 200, an $error, retry:,
// and the end.
//
//	request ─▶ refused for good: 400, 401, 403, 405
//	   │
//	   ├─────▶ refused for now: 200, retry, end
//	   │
//	   └ join ─▶ 200 ─▶ streaming ─┬─ client leaves, or takes nothing ────────▶ end
//	                               ├─ token expires, topic revoked: $error ───▶ end
//	                               └─ Shutdown, perhaps revoked: retry ───────▶ end
//
// Who the client is and what it may join is found out before the 200 is sent, and
// the topics are joined. A stream is its request's own goroutine and starts none,
// but for the timer of its token; it writes what the hub has for it under a write
// deadline and flushes once a batch. The http.Server must have no ReadTimeout,
// which would end every stream. The package never imports pgx, pglisten, bridge
// or config.
package sse
