package pgtemp_test

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"rowcast/internal/pgtemp"
	"rowcast/internal/pgtemp/pgtest"
)

func TestFind(t *testing.T) {
	t.Parallel()
	bin, err := pgtemp.Find(pgtest.Versions()[0])
	if err != nil {
		t.Fatal(err)
	}
	if !filepath.IsAbs(bin) {
		t.Errorf("%s is not absolute", bin)
	}
}

func TestFind_says_how_to_install(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, err := pgtemp.Find(dir)
	var missing *pgtemp.NotFoundError
	if !errors.As(err, &missing) || missing.Dir != dir || missing.Install == "" {
		t.Fatalf("got %#v", err)
	}
	if text := err.Error(); strings.Contains(text, "\n") || !strings.Contains(text, missing.Install) {
		t.Errorf("got %q", text)
	}
	if _, err := pgtemp.Start(t.Context(), pgtemp.Options{BinDir: dir}); !errors.As(err, &missing) {
		t.Errorf("Start: got %v", err)
	}
}
