// Package bench measures this machine: what a row costs its writer, how long it
// takes from COMMIT to a WebSocket client, and what it costs to send an event to
// many of them.
//
// Every figure comes as a ratio to a baseline taken in the same run, in
// interleaved rounds: machines are noisy and differ, ratios much less. The
// absolutes beside them say only what this machine did. Postgres, where one is
// needed, is a throw-away one.
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
//   - Fan-out compares four ways from an event to a room of sockets: a loop of
//     write(2) of a prepared frame, which is the kernel's own price; the WebSocket
//     library's Write in a loop; the library's chat example; and hub and endpoint
//     with the daemon's defaults. Rooms is the same for many small ones.
//   - Memory compares what idle connections make servers larger: the daemon, and
//     what one writes with the WebSocket library.
//   - Storm has thousands of clients come to a daemon at once, and looks at what
//     others notice who are there already.
//
// The cluster runs with fsync on and commit_delay at 1 ms: each flush of the WAL
// then takes at least the millisecond that a cloud disk takes, with the same
// locks held (Postgres manual, 20.5). For latency fsync is off: the commit's own
// time, the same on every road, would only flatter the ratio.
//
// # Fan-out
//
//	publisher ─▶ contender ─▶ connections ═══▶ load client (package load)
//	    ▲     this process: getrusage       │  a process of its own
//	    └────────── "all have got it" ◀─────┘
//
// What is measured is the CPU of this process, in user space and in the kernel,
// from before the first event until the clients have read the last: nothing is left
// in a queue then. It is less noisy than time, and a process has all of what its
// threads do. The contenders share the process, but not the time: each is given
// fresh connections, is measured, and is gone before the next begins. All send
// frames of the same 203 bytes from sockets with the same options. Translating the
// row is not in it, nor is the making of the frame that write(2) repeats.
//
// For latency both processes read the machine's monotonic clock.
package bench
