// Package snapshot holds Postgres snapshots as values: which transactions had
// committed at one moment.
//
// Two snapshots are the reader's whole method. What is visible now and was not
// visible then is what happened in between: nothing twice, nothing left out,
// whatever the order in which transactions began, took their ids and committed.
// PgQ has worked this way since 2007. A snapshot with the epoch of its log is
// the cursor that a client resumes from.
//
// A snapshot sees every transaction below its xmax, except those that were
// running then (Postgres manual, 9.27.7):
//
//	           12  13  14  15  16  17  18  19 …
//	12:18:13,16 ✓   ·   ✓   ✓   ·   ✓   ·   ·  ·
//	                                    ↑ xmax
//
// (Written with xmin 12: Postgres may give a lower xmin than the first running
// transaction. It says nothing that the rest does not.)
//
// Snapshots are sets, so they have a partial order and a join, and two of them
// may each see what the other does not:
//
//   - Within: everything that s sees, t sees too (s ≤ t);
//   - Join: what either sees;
//   - Below: what s sees below an xid. Seeing less is always safe for a cursor,
//     which then repeats and never skips.
//
// There is one value for each set: running transactions right below xmax lower
// xmax instead, since nothing at or above it is seen either. Therefore Equal and
// Within are exact.
//
// Xids are Postgres's xid8, which do not wrap around. Values are immutable and
// may be shared between goroutines. The package imports the standard library
// only and does no I/O. Its laws are property-tested against plain sets, and
// against Postgres's own pg_visible_in_snapshot.
package snapshot
