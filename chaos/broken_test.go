package main

import (
	"os"
	"strings"
	"testing"
)

// TestBrokenBuilds: each fault has its place in the source still, and a scenario
// that catches it.
func TestBrokenBuilds(t *testing.T) {
	t.Parallel()
	known := map[string]bool{}
	for _, sc := range scenarios() {
		known[sc.name] = true
	}
	names := map[string]bool{}
	for _, b := range brokenBuilds() {
		if names[b.name] {
			t.Errorf("two are called %s", b.name)
		}
		names[b.name] = true
		if !known[b.scenario] {
			t.Errorf("%s: no scenario is called %s", b.name, b.scenario)
		}
		path, err := b.overlay(t.TempDir())
		if err != nil {
			t.Error(err)
			continue
		}
		list, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(list), b.file) {
			t.Errorf("%s: the overlay says %s: %v", b.name, list, err)
		}
	}
}

// TestBrokenBuildsMoved: source that has changed is an error, not a sound build.
func TestBrokenBuildsMoved(t *testing.T) {
	t.Parallel()
	for _, find := range []string{"nowhere to be found", "return"} {
		b := broken{name: "moved", file: "rooms/hub.go", find: find}
		if path, err := b.overlay(t.TempDir()); err == nil {
			t.Errorf("%q: written to %s", find, path)
		}
	}
}
