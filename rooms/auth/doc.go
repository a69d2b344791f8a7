// Package auth decides who may come in and what they may join, before the hub
// hears of them. Both dialects, rooms/ws and rooms/sse, ask the same Gate, so a
// limit counts what comes through either door.
//
// A connection passes it in this order:
//
//	request ─Check─▶ ─Enter─▶ ─Identify─▶ ─Judge─▶ rooms
//	          │        │        │           │  per topic: bad_topic, too_many_topics,
//	          │        │        │           └  forbidden, unavailable; and a mark
//	          │        │        └ unauthenticated, token_expired, unavailable
//	          │        └ limits: unavailable, rate_limited; leave gives the place back
//	          └ proxy without a chosen mode, foreign origin: forbidden
//
// Check looks at the request alone. Until a mode was chosen the daemon is open
// to everybody who reaches it, which is right on a developer's loopback address
// and nowhere else: a request that a proxy forwarded is refused, and a page's
// origin must be the daemon's own (under a loopback name, so that no foreign
// name that was made to resolve to 127.0.0.1 counts as the same origin) or
// match a pattern of http.allowed_origins. With TLS the own origin is https: what
// came without may be anybody's page. The same-origin policy does not cover
// WebSockets (RFC 6455 section 10.2): this check is all there is.
//
// Enter counts: connections, those of one address, and handshakes per second. A
// Refusal from it means "later"; it is told to the client over the accepted
// connection, because a browser sees nothing of a refused upgrade. Addresses
// behind trusted proxies are what these say, and nothing that stands before.
//
// Identify finds the token that a request carries, and Authenticate, which also
// takes one from a frame, verifies it: a JWT, or a session that the application's
// database is asked for. Of sessions nothing is kept: a logout counts at once.
//
// Judge decides about each name of a join by itself: one bad name never costs
// the others their place. The token's claim and the application's SQL function
// must both allow, where there are both. What the function said is remembered
// for all who say the same of themselves, their tokens' times and ids aside, and
// who asks what is being asked waits for that answer. A decision is good while
// the hub knows of no change since the mark taken before it; the join carries
// the mark of the verdict, and the hub looks once more, under its lock. When
// there is no answer, the topic is `unavailable`: nothing opens by a failure.
//
// The database gets so many questions at once as Options say. Those that wait
// stand in one line for each asker, and the lines take turns: who asks about
// endless topics waits for himself, and displaces his own decisions.
//
// Every refusal is counted and logged under the setting that refused, at most one
// line every 10 s of each: a storm must not fill the log. Neither tokens nor
// claims, nor anything of a request that was not parsed, comes into it.
//
// A Gate is safe for use by many goroutines. Those that ask the database, and the
// one that fetches keys, are Run's, which ends when they have. A Bucket belongs
// to one goroutine. The package never imports pgx, websocket or the daemon.
package auth
