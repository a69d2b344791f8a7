// Package migrations is rowcast's SQL: the schema "rowcast", the trigger
// functions that capture changes, and what a DBA calls (watch, unwatch, emit,
// bulk, revoke, watch_access, configure, the grants). It applies, prints and
// checks it.
//
// The SQL is the product; read it in order:
//
//	sql/00001_log.sql      the event log, its slots, the doorbell
//	sql/00002_capture.sql  the trigger functions
//	sql/00003_watch.sql    watch, unwatch, watches
//	sql/00004_emit.sql     emit, bulk
//	sql/00005_rotate.sql   epochs and retention
//	sql/00006_access.sql   revoke, watch_access, unwatch_access
//	sql/00007_grants.sql   who may do what
//
// What it guarantees:
//
//   - A watch breaks no write that would have succeeded without it, and gives
//     the writer no right that it did not have. The rules that follow from this
//     stand at the head of 00002_capture.sql.
//   - A change is logged in the transaction that made it, or, if nobody has
//     looked for as long as the log is kept, not at all.
//   - rotate removes nothing that its caller has not read, and leaves a mark of
//     what it removed.
//   - Down leaves the database as Up found it: pg_dump shows no difference.
//
// Everything lives in the schema rowcast, goose's version table included
// (rowcast.schema_version): an application may use goose itself. The migrations
// run one transaction each, under an advisory lock; Print writes them as one
// transaction for psql.
//
// The package holds no connection and no goroutine: a function that takes a URL
// opens what it needs and closes it before it returns; the others use the
// caller's Querier. It knows nothing of rooms or of the daemon.
package migrations
