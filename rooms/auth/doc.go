// Package auth decides who may come in and what they may join, before the hub
// hears of them. Both dialects, rooms/ws and rooms/sse, ask the same Gate, so a
// limit counts what comes through either door.
//
// A connection passes it in this order:
//
//	request ──Check──▶ ──Enter──▶ ──Topics──▶ rooms
//	          │          │           │  per topic: bad_topic, too_many_topics
//	          │          └ limits: unavailable, rate_limited; Leave gives the place back
//	          └ proxy without a chosen mode, foreign origin: forbidden
//
// Check looks at the request alone. Until a mode was chosen the daemon is open
// to everybody who reaches it, which is right on a developer's loopback address
// and nowhere else: a request that a proxy forwarded is refused, and a page's
// origin must be the daemon's own (under a loopback name, so that no foreign
// name that was made to resolve to 127.0.0.1 counts as the same origin) or
// match a pattern of http.allowed_origins. The same-origin policy does not cover
// WebSockets (RFC 6455 section 10.2): this check is all there is.
//
// Enter counts: connections, and handshakes per second of this daemon. A
// Refusal from it means "later"; it is told to the client over the accepted
// connection, because a browser sees nothing of a refused upgrade.
//
// Topics judges each name of a join by itself: one bad name never costs the
// others their place.
//
// Every Refusal names the setting that refused. What Check refuses is one log
// line, what Enter refuses only counts: a storm must not fill the log. A Gate is
// safe for use by many goroutines and starts none; a Bucket belongs to one. The
// package never imports pgx, websocket or the daemon.
package auth
