// Package typegen says what the events of watched tables look like, in the words
// of clients: TypeScript and JSON Schema.
//
//	pglisten.Watch ──▶ Model ──▶ TypeScript
//	                      │
//	                      ├────▶ JSONSchema
//	                      └────▶ Hash: what the daemon's $welcome and a client compare
//
// A [Model] is made of the watches as they are loaded for the daemon itself,
// and says of each event type what its payload may be. It holds what the
// translator in package bridge does with a row: which columns it shows when,
// and how their values are written. What it holds is proved by a test that
// sends rows of all kinds through the daemon and checks every event against the
// JSON Schema.
//
// The result depends on the schema alone: names are sorted, tables' columns
// too, so that two databases with the same tables give the same text and the
// same hash, whatever the order they were altered in. What is nothing to a
// client (the name of a table, the length of a varchar) is not in the hash.
//
// Events of rowcast.emit() and of NOTIFY channels are in no catalogue, and so
// not in here.
//
// Everything is pure: no goroutine, no I/O, no clock. The package never imports
// rooms, nor the packages above it.
package typegen
