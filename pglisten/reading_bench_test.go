//go:build unix

package pglisten

import (
	"context"
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"rowcast/internal/pgtemp/pgtest"
	"rowcast/internal/snapshot"
)

// BenchmarkDecodeRow decodes and keeps a row of some 300 bytes, as a message of a chat is.
func BenchmarkDecodeRow(b *testing.B) {
	row := []byte(`{"id":981,"topic_id":7,"author_id":20481,"content":"Hello \"world\", this is a message of an ordinary length.",` +
		`"state":"published","score":12.5,"pinned":false,"meta":{"tags": ["a", "b"], "n": 1},"created_at":"2026-11-23T00:42:55.278123+00:00","edited_at":null}`)
	raw := func(op Op, set map[int][]byte) [][]byte {
		raw := make([][]byte, colTurn+1)
		raw[colID], raw[colXID], raw[colAt], raw[colTxChanges] = number64(981), number64(734), number64(8e14), number64(1)
		raw[colWatch], raw[colOp], raw[colFlags] = []byte{0, 0, 0, 1}, []byte{byte(op)}, []byte{0, 0}
		for i, value := range set {
			raw[i] = value
		}
		return raw
	}
	types := pgtype.NewMap()
	for _, bb := range []struct {
		name string
		raw  [][]byte
	}{
		{"insert", raw(Insert, map[int][]byte{colData: row})},
		{"update", raw(Update, map[int][]byte{colData: row, colOld: row, colMutationID: []byte("c1d8")})},
		{"cut", raw(Update, map[int][]byte{colData: row, colOld: row, colChanged: binaryTexts("content", "edited_at")})},
		{"emit", raw(Emit, map[int][]byte{colData: row, colType: []byte("analysis_failed"), colTopics: binaryTexts("analysis")})},
	} {
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			var p piece
			for b.Loop() {
				if p.full() {
					p.empty()
				}
				c, _ := decodeRow(types, bb.raw)
				p.add(c)
			}
		})
	}
}

// BenchmarkReading reads 10,000 rows of one transaction each, by turns: with a
// SELECT of the same columns, whose rows are thrown away as they come, and as a
// reader does, into a sink that throws them away.
func BenchmarkReading(b *testing.B) {
	const rows = 10_000
	url := pgtest.Database(b)
	r := standing(b, url)
	start := r.cursor
	execute(b, pgtest.Connect(b, url), fmt.Sprintf(`DO $$ BEGIN FOR i IN 1..%d LOOP
		INSERT INTO messages (topic_id, content) VALUES (i %% 100, repeat('x', 250)); COMMIT; END LOOP; END $$`, rows))

	roads := []struct {
		name       string
		read       func() int
		took, used time.Duration
	}{
		{name: "bare", read: func() int { return bareReading(b, r.conn, start) }},
		{name: "reader", read: func() int {
			r.cursor = start
			_, found, err := r.read(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			return found
		}},
	}
	for b.Loop() {
		for i := range roads {
			road := &roads[i]
			began, used := time.Now(), processTime(b)
			if n := road.read(); n != rows {
				b.Fatalf("%s: %d rows", road.name, n)
			}
			road.took += time.Since(began)
			road.used += processTime(b) - used
		}
	}
	for _, road := range roads {
		b.ReportMetric(float64(road.used.Nanoseconds())/float64(rows*b.N), road.name+"-cpu-ns/row")
		b.ReportMetric(float64(rows*b.N)/road.took.Seconds(), road.name+"-rows/s")
	}
	b.ReportMetric(float64(roads[1].used)/float64(roads[0].used), "cpu-ratio")
}

// bareReading is the least that a reading of the rows after a cursor can be.
func bareReading(b *testing.B, conn *pgx.Conn, cursor snapshot.Snapshot) (n int) {
	rows, err := conn.Query(b.Context(), "SELECT "+rowColumns+" FROM rowcast.log l WHERE xid >= $1::xid8 ORDER BY id", binaryResults, cursor.Xmax())
	if err != nil {
		b.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		n++
	}
	if err := rows.Err(); err != nil {
		b.Fatal(err)
	}
	return n
}

// standing is a reader that has begun and that nobody runs.
func standing(b *testing.B, url string) *reader {
	s := unattended(Options{URL: pgtest.Daemon(b, url)})
	if err := s.configure(); err != nil {
		b.Fatal(err)
	}
	r := newReader(s, discard{})
	if err := r.connect(b.Context()); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { r.disconnect(context.WithoutCancel(b.Context())) })
	if err := r.begin(b.Context()); err != nil {
		b.Fatal(err)
	}
	return r
}

// discard is a Sink that keeps nothing.
type discard struct{}

func (discard) Reset(context.Context, Reset) error           { return nil }
func (discard) Take(context.Context, Batch) error            { return nil }
func (discard) Notified(context.Context, Notification) error { return nil }
func (discard) Lost(context.Context, Loss) error             { return nil }

// processTime is the CPU time that this process has used.
func processTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
