package migrations_test

import (
	"testing"

	"rowcast/internal/pgtemp/pgtest"
	"rowcast/migrations"
)

func TestMigrate_up_and_down(t *testing.T) {
	t.Parallel()
	url := pgtest.Database(t)
	conn := pgtest.Connect(t, url)
	if err := migrations.Check(t.Context(), conn); err != nil {
		t.Fatal(err)
	}
	if err := migrations.Down(t.Context(), url, migrations.Options{}); err != nil {
		t.Fatal(err)
	}
	if err := migrations.Up(t.Context(), url, migrations.Options{}); err != nil {
		t.Fatal(err)
	}
}
