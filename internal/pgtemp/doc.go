// Package pgtemp runs a throw-away Postgres: it finds the server's binaries,
// makes a cluster in a folder of its own, starts, stops, kills, restarts and
// removes it. `rowcast dev` stands on it, and so do the tests.
//
// Start returns when the server answers. From then on the cluster goes back and
// forth between two states until Close:
//
//	        Stop, Kill
//	running ─────────→ stopped ──Close──→ gone
//	        ←─────────
//	          Start
//
// A running server can also be frozen, until it is thawed, and be refused
// whatever would make one of its files grow.
//
// The folder holds all there is of it:
//
//	data/          the cluster; its postgresql.conf is written at each Start
//	run/           the Unix socket
//	postgres.log   what the server said
//
// Whoever called Start calls Close. A parent that dies without it takes the
// server along on Linux (the kernel sends the server a fast shutdown); a
// temporary folder then stays until the next Start, which removes those whose
// lock nobody holds.
//
// Postgres refuses to run as root. Called by root, the server and its tools run
// as the user postgres, or nobody where there is none; that user must be able
// to reach the folder and the binaries.
//
// It listens on 127.0.0.1 only and trusts whoever connects: nothing of value
// belongs in it.
//
// One goroutine at a time calls the methods that do something to the server. Each
// cluster has one goroutine, which waits for the server's process and ends with
// it; Stop, Kill and Close wait for that goroutine.
package pgtemp
