package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// leaks are builds that a soak must not find flat. What catches them is the
// figure that grows.
func leaks() []broken {
	return []broken{
		{
			name: "never-evicts", fault: "the history keeps what is too old",
			file:     "rooms/history.go",
			find:     "h.bytes <= h.limit && now-e.at <= h.age",
			replace:  "h.bytes <= h.limit",
			scenario: "soak", as: "history s",
		},
		{
			name: "keeps-goroutines", fault: "each session leaves a goroutine behind",
			file:     "rooms/ws/session.go",
			find:     "	s.end(s.read(ctx))\n",
			replace:  "	go func() { select {} }()\n	s.end(s.read(ctx))\n",
			scenario: "soak", as: "goroutines",
		},
		{
			name: "keeps-memory", fault: "each session leaves 16 kB behind",
			file:     "rooms/ws/session.go",
			find:     "func (s *session) run(ctx context.Context) error {\n",
			replace:  "var leaked [][]byte\n\nfunc (s *session) run(ctx context.Context) error {\n	leaked = append(leaked, make([]byte, 16<<10))\n",
			scenario: "soak", as: "heap MB",
		},
	}
}

func leakNames() (names []string) {
	for _, b := range leaks() {
		names = append(names, b.name)
	}
	return names
}

// buildLeaking makes the binary of that leak, and says by what it must be caught.
func buildLeaking(ctx context.Context, name, dir string) (bin, as string, err error) {
	list := leaks()
	n := slices.IndexFunc(list, func(b broken) bool { return b.name == name })
	if n < 0 {
		return "", "", fmt.Errorf("no leak is called %q", name)
	}
	overlay, err := list[n].overlay(dir)
	if err != nil {
		return "", "", err
	}
	bin, err = build(ctx, dir, "-overlay", overlay)
	return bin, list[n].as, err
}

// caught turns the verdict on a leaking build around.
func (s *soak) caught(as string, err error) error {
	switch {
	case slices.Contains(s.grown, as):
		fmt.Fprintf(s.out, "caught: %s\n", as)
		return nil
	case err == nil:
		return errors.New("the leak was not caught")
	}
	return fmt.Errorf("the leak was not caught: %w", err)
}
