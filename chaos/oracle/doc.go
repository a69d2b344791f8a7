// Package oracle judges what clients were sent by what Postgres committed.
//
// It knows neither rowcast nor Postgres nor sockets. Three things come in: the
// truth, which is what was committed and to whom it is owed; a journal of each
// client, which is what the client did and was sent, in the order in which it
// saw it; and a budget of $resync. A verdict comes out.
//
//	Postgres ──▶ Truth ───┐
//	                      ├──▶ Judge ──▶ Verdict
//	clients ──▶ Journal ──┘
//
// Time plays no part, and neither do log ids or cursors: of two transactions it
// asks only whether the one was visible to the other when it began. So what it
// says rests on Postgres' own snapshots and on docs/protocol.md.
//
// A Journal is written by its client and looked at by others meanwhile. All
// else here is pure, and nothing starts a goroutine. The package imports the
// standard library only.
package oracle
