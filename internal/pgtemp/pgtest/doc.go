// Package pgtest gives tests a real Postgres.
//
// A test package hands its TestMain over:
//
//	func TestMain(m *testing.M) { pgtest.Main(m, prepare) }
//
// The first test that asks for a database starts one fast cluster for the whole
// test binary and calls prepare once, on a database that becomes the template.
// Each Database is a clone of it, dropped when its test ends. A test that stops
// or kills its server takes a Cluster of its own. The URLs of both are a
// superuser's; what a daemon may do is tried with those of Daemon.
//
// Environment:
//
//	ROWCAST_TEST_PG            folders of server binaries, colon separated: those
//	                           the SQL is tried on. The first serves all other
//	                           tests. Default: what pgtemp.Find finds.
//	ROWCAST_TEST_DATABASE_URL  a server to use instead of a fast cluster; its user
//	                           must be a superuser.
//
// Where there is no Postgres, the tests that need one fail. They are never
// skipped.
package pgtest
