package pglisten

import (
	"testing"

	"rowcast/internal/pgtemp/pgtest"
)

func TestSource(t *testing.T) {
	t.Parallel()
	url := pgtest.Database(t)
	conn := pgtest.Connect(t, url)
	s, sink := run(t, Options{URL: url})
	execute(t, conn, "INSERT INTO messages (topic_id, content) VALUES (7, 'hi')")
	sink.until(t, "the insert", func() bool { return len(sink.changes()) == 1 })
	if err := s.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
}
