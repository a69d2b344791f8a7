package bridge

import (
	"testing"

	"github.com/jackc/pgx/v5"

	"rowcast/bridge/typegen"
	"rowcast/pglisten"
)

// A client is told of the types that rowcast types would write at this moment.
func TestSchema(t *testing.T) {
	t.Parallel()
	url, conn := application(t)
	d := launch(t, url)
	first := hash(t, conn)
	if f := dial(t, d.http, "").want("$welcome"); f.Payload.Schema != first {
		t.Errorf("schema %q, want %q", f.Payload.Schema, first)
	}

	exec(t, conn, `ALTER TABLE messages ADD author text`)
	second := hash(t, conn)
	if second == first {
		t.Errorf("still %q with another column", second)
	}
	c := dial(t, d.http, "topics=messages")
	exec(t, conn, `INSERT INTO messages (topic_id, author) VALUES (7, 'Olena')`)
	if f := c.want("message_created"); f.Payload.Message["author"] != "Olena" {
		t.Errorf("got %v", f)
	}
	if f := dial(t, d.http, "").want("$welcome"); f.Payload.Schema != second {
		t.Errorf("schema %q, want %q", f.Payload.Schema, second)
	}
}

func hash(t *testing.T, conn *pgx.Conn) string {
	t.Helper()
	watches, err := pglisten.LoadWatches(t.Context(), conn)
	if err != nil {
		t.Fatal(err)
	}
	return typegen.New(watches).Hash()
}
