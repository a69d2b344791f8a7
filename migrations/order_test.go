package migrations_test

import (
	"fmt"
	"strings"
	"testing"
)

// A reader that falls asleep waits for the xids that may have read its promise,
// and looks for those after them in the slot whose turn it was. So whoever logs
// owns its xid when it reads the doorbell, which comes before its row's id. A
// writer is held there and looked at; each statement is the first of its transaction.
func TestWriters_own_their_xid_first(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		d.admin.exec(`CREATE TABLE n (id int); CREATE TABLE s (id int); CREATE TABLE a (id int); CREATE TABLE empty (id int) PARTITION BY LIST (id)`)
		columns := make([]string, 900)
		for i := range columns {
			columns[i] = fmt.Sprintf("c%d int", i)
		}
		d.admin.exec("CREATE TABLE wide (" + strings.Join(columns, ", ") + "); INSERT INTO wide DEFAULT VALUES")
		d.admin.exec("CREATE TABLE parts (id int) PARTITION BY LIST (id); CREATE TABLE here (id int)")
		// A row that lies elsewhere is written without an xid of this transaction.
		d.admin.exec(fmt.Sprintf("CREATE EXTENSION postgres_fdw; CREATE SERVER elsewhere FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '%s', port '%d', dbname '%s')",
			d.admin.Config().Host, d.admin.Config().Port, d.name))
		d.admin.exec("CREATE USER MAPPING FOR postgres SERVER elsewhere OPTIONS (user 'postgres'); CREATE FOREIGN TABLE there PARTITION OF parts DEFAULT SERVER elsewhere OPTIONS (table_name 'here')")
		d.admin.exec("SELECT rowcast.watch('n'), rowcast.watch('s', level => 'statement'), rowcast.watch('wide', level => 'statement', exclude => '{c1}'), rowcast.watch('empty'), rowcast.watch('parts'), rowcast.watch_access('a', 'id', '{t}')")
		d.log()

		writer, holder := d.session(t, "postgres"), d.session(t, "postgres")
		pid := writer.PgConn().PID()
		for sql, logs := range map[string]int{
			"INSERT INTO n VALUES (1)":                    1,
			"INSERT INTO s VALUES (1)":                    1,
			"UPDATE wide SET c0 = 1":                      1,
			"UPDATE wide SET c0 = 2 WHERE c0 = 0":         0,
			"TRUNCATE n":                                  1,
			"TRUNCATE empty":                              1,
			"INSERT INTO parts VALUES (1)":                1,
			"SELECT rowcast.emit('a', '{}', '{t}')":       1,
			"SELECT rowcast.bulk('n')":                    1,
			"SELECT rowcast.revoke('a', 't')":             1,
			"SELECT rowcast.sing('a', 1)":                 1,
			"INSERT INTO a VALUES (1)":                    1,
			"TRUNCATE a":                                  1,
			"INSERT INTO n VALUES (1); TRUNCATE n":        2,
			"SAVEPOINT a; INSERT INTO s VALUES (1)":       1,
			"SAVEPOINT a; UPDATE s SET id=2 WHERE id = 0": 0,
		} {
			holder.exec("BEGIN; ALTER SEQUENCE rowcast.doorbell NO CYCLE") // nobody reads it meanwhile
			done := make(chan error)
			go func() {
				_, err := writer.Exec(t.Context(), "BEGIN; "+sql+"; COMMIT")
				done <- err
			}()
			d.admin.until("true", fmt.Sprintf("SELECT EXISTS (SELECT FROM pg_locks WHERE pid = %d AND NOT granted AND relation = 'rowcast.doorbell'::regclass)::text", pid))
			owns := d.admin.text(fmt.Sprintf("SELECT (backend_xid IS NOT NULL)::text FROM pg_stat_activity WHERE pid = %d", pid))
			holder.exec("ROLLBACK")
			if err := <-done; err != nil {
				t.Errorf("%s: %v", sql, err)
			}
			n := len(d.log())
			if n != logs {
				t.Errorf("%s: %d rows logged", sql, n)
			}
			if n > 0 && owns != "true" {
				t.Errorf("%s: the doorbell was read before there was an xid", sql)
			}
		}
	})
}
