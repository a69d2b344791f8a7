// Package load is the application whose rows rowcast watches, and the oracle
// that writes down what it did.
//
// Install makes three watched tables, each captured in another way, and on each
// of them a trigger of the oracle's own, zz_oracle, which fires after rowcast's
// (00_rowcast_…). It writes each change into oracle.change, in the transaction
// that made it. So what is in there was committed, and what was rolled back,
// also up to a savepoint, is not. Truth reads it when all writers have ended.
//
//	messages   row level                topic_{topic_id}, messages
//	items      statement level          items_{topic_id}, topic_{topic_id}
//	notes      row level, partitioned   topic_{topic_id}
//
// An event and a change know each other by name. Each statement sets
// rowcast.mutation_id to one that no other statement has, and changes a row
// once at most; so mutation id, event type and row id are a key.
//
// A transaction is written down in oracle.tx, with what it saw when it began.
// Half of them do that first, and own a transaction id from then on; the others
// last, and get theirs from their first write, as an application's do.
//
// A Load is a goroutine for each writer, all ended when Run returns. The package
// never imports rowcast's own but the SQL that rowcast migrate has installed:
// what it knows of rowcast is docs/database.md and docs/protocol.md.
package load
