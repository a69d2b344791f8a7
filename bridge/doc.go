// Package bridge is the daemon: the only package that knows both banks, the
// database and the clients.
//
//	pglisten.Source ──Change──▶ sink: translator ──Item──▶ rooms.Hub ──▶ ws, sse
//	       ▲                                                  │
//	       └────────────── Refresh: read the log now ─────────┘
//
// The translator turns what happened to a row into typed events and their
// topics, and encodes each of them once; from there on nobody opens the bytes.
// It cannot fail: a change that nobody can understand becomes a $resync, so that
// no row ever stands in the way of those behind it. Changes of who may be in a
// topic travel the same road, in their place between the events; one that nobody
// can understand is taken for a change of everybody's.
//
// # Life
//
// [Daemon.Run] builds the road from its end, and each stretch pushes onto a
// stack what undoes it:
//
//	bind admin.addr, serve it    alive, not ready
//	bind http.addr               a taken port is found before anything is done
//	check the schema
//	functions                    the application's own, if the gate asks any: checked
//	hub                          history by age, $ping to the quiet
//	gate                         its keys fetched and kept fresh, its questions asked
//	source                       LISTEN held, history loaded: the first Reset
//	serve http.addr              ready
//
// Popped, the stack runs in the direction of the road: not ready (for the drain
// delay), no new sockets, the source stopped with the batch in hand published,
// the sessions drained, told and closed, gate, hub, functions, http, admin. All
// of it has one deadline; what has not ended by then is cut. A start that fails
// half-way pops the half, and its error is what Run returns. Once the source has
// begun, it reconnects by itself for ever and only /readyz tells.
//
// # Goroutines
//
// The source calls the sink from its one goroutine; the sink returns when the
// hub has the items, and never waits for a client. The hub, the gate, the
// functions, the source and each port have a goroutine that Run starts and waits
// for; sessions belong to their endpoints. Metrics are read from the parts when
// somebody asks, from any goroutine; nothing is counted twice.
//
// The package never imports viper, the protocol of Postgres, or websocket:
// settings come as [Options], and the parts are named in them.
package bridge
