package main

import (
	"slices"
	"testing"
)

// TestLeaks: each leak has its place in the source still, and is caught by a
// figure that is taken.
func TestLeaks(t *testing.T) {
	t.Parallel()
	for _, b := range leaks() {
		if !slices.ContainsFunc(gauges, func(g gauge) bool { return g.title() == b.as }) {
			t.Errorf("%s: no figure is called %s", b.name, b.as)
		}
		if _, err := b.overlay(t.TempDir()); err != nil {
			t.Error(err)
		}
	}
}
