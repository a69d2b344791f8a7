// Package bench measures this machine: what a row costs its writer, and how
// long it takes from COMMIT to a WebSocket client.
//
// Every figure comes as a ratio to a baseline taken in the same run, in
// interleaved rounds, on a throw-away Postgres: machines are noisy and differ,
// ratios much less. The absolutes beside them say only what this machine did.
//
//   - Latency compares the whole daemon with the shortest road there can be: a
//     pgx connection that LISTENs, makes one SELECT and writes to one WebSocket.
//     Both are asleep when the row comes. A bare LISTEN client, which gets the
//     row in the notification itself, stands beside them.
//   - Tax compares the throughput of writers on a table without triggers with
//     the same table under: a trigger that puts the row into pg_notify; a trigger
//     that writes a log row and notifies nobody; a rowcast watch with a daemon
//     reading it. pgbench drives them, so that the load costs little itself.
//   - Updates compares single statements: a one-column UPDATE of a narrow row and
//     of one with 100 kB beside it, and a backfill with and without bulk().
//
// The cluster runs with fsync on and commit_delay at 1 ms: each flush of the WAL
// then takes at least the millisecond that a cloud disk takes, with the same
// locks held (Postgres manual, 20.5). For latency fsync is off: the commit's own
// time, the same on every road, would only flatter the ratio.
package bench
