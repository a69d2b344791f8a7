package typegen_test

import (
	"context"
	"testing"

	"rowcast/internal/pgtemp/pgtest"
	"rowcast/migrations"
)

func TestMain(m *testing.M) {
	pgtest.Main(m, func(ctx context.Context, url string) error {
		return migrations.Up(ctx, url, migrations.Options{})
	})
}
