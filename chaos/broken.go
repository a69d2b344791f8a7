package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// broken is a build of the daemon with one fault, and what catches it. The fault
// is laid over a file for this build alone (go build -overlay): the daemon has
// no hooks for it.
type broken struct {
	name, fault   string
	file          string // of the module
	find, replace string // the text must be there once
	scenario      string // what catches it
	as            string // of the violation that it is: a regular expression over "rule: text"; of the suite's error, its text
	short         bool   // part of make test
}

func brokenBuilds() []broken {
	return []broken{
		{
			name: "loses", fault: "one event in a thousand is not published", short: true,
			file: "rooms/hub.go",
			find: "	before := h.delivered\n	h.deliver(e)\n",
			replace: `	before := h.delivered
	if h.published%1000 != 500 {
		h.deliver(e)
	}
`,
			scenario: "large", as: "^lost:",
		},
		{
			name: "ignores-since", fault: "whoever resumes is told that nothing was missed", short: true,
			file:     "rooms/join.go",
			find:     "		sp.next, missed = h.answerable(since)\n",
			replace:  "		sp.next = h.history.seq + 1\n",
			scenario: "clients-drop", as: "^lost:",
		},
		{
			name: "leaks", fault: "a room's events go to the next room, too", short: true,
			file:     "rooms/hub.go",
			find:     "			h.deliverTo(h.rooms[t], e)\n",
			replace:  "			h.deliverTo(h.rooms[t], e)\n			n := len(t) - 1\n			h.deliverTo(h.rooms[t[:n]+string(t[n]%8+'1')], e)\n",
			scenario: "calm", as: "^leaked:",
		},
		{
			name: "doubles", fault: "who is in two topics of an event gets it twice", short: true,
			file:     "rooms/subscriber.go",
			find:     "if s.err != nil || s.last == e.seq {",
			replace:  "if s.err != nil {",
			scenario: "calm", as: "^doubled:",
		},
		{
			name: "joins-late", fault: "the first event after a join is not sent to who joined",
			file:     "rooms/join.go",
			find:     "	if r.Since == nil && r.Lookback == nil {\n",
			replace:  "	if r.Since == nil && r.Lookback == nil {\n		s.last = h.history.seq + 1\n",
			scenario: "clients-begin", as: "^lost:",
		},
		{
			name: "looks-half-back", fault: "a lookback reaches half as far",
			file:     "rooms/join.go",
			find:     "- max(*r.Lookback, 0)\n",
			replace:  "- max(*r.Lookback, 0)/2\n",
			scenario: "clients-begin", as: "^lost:",
		},
		{
			name: "welcomes-late", fault: "the first cursor passes over transactions that are still open",
			file:     "rooms/hub.go",
			find:     "	defer h.mu.RUnlock()\n	return h.cursor\n",
			replace:  "	defer h.mu.RUnlock()\n	return snapshot.Cursor{Epoch: h.epoch, Snapshot: snapshot.New(h.snapshot.Xmax())}.Encode()\n",
			scenario: "clients-begin", as: "^lost:",
		},
		{
			name: "looks-back-anew", fault: "a lookback to before the daemon's start is answered with what came since",
			file:     "rooms/history.go",
			find:     "return e.at >= cut }), cut > h.began && cut > h.dropped\n",
			replace:  "return e.at >= cut && e.at > h.began }), h.dropped < 0 || cut > h.dropped\n",
			scenario: "clients-begin-anew", as: "^lost:",
		},
		{
			name: "keeps-quiet", fault: "who was told that not all was recovered gets no $resync",
			file:     "rooms/replay.go",
			find:     "	return s.appendResync(buf, slices.Clone(r.topics), missed, sp.cursor)\n",
			replace:  "	return buf\n",
			scenario: "clients-begin-anew", as: "^unannounced:",
		},
		{
			name: "forgets-running", fault: "what ran at the last reading is not looked for again",
			file:     "pglisten/statement.go",
			find:     "if xip := cursor.InProgress(); len(xip) > 0 {",
			replace:  "if xip := cursor.InProgress(); len(xip) > 1<<20 {",
			scenario: "calm", as: "^lost:",
		},
		{
			name: "disorders", fault: "a reading comes backwards",
			file:     "pglisten/statement.go",
			find:     `const tail = " ORDER BY id NULLS FIRST"`,
			replace:  `const tail = " ORDER BY id DESC NULLS FIRST"`,
			scenario: "calm", as: "^order:",
		},
		{
			name: "switches-early", fault: "a replay ends one event before the first live one",
			file:     "rooms/join.go",
			find:     "sp := &span{to: h.history.seq, ",
			replace:  "sp := &span{to: h.history.seq - 1, ",
			scenario: "clients-drop", as: "^lost:",
		},
		{
			name: "switches-late", fault: "a replay's last event comes again, live",
			file:     "rooms/join.go",
			find:     "		s.enqueueAll(s.answer(nil, sp, missed))\n	default:\n		s.enqueueSpan(sp)\n",
			replace:  "		s.enqueueAll(s.answer(nil, sp, missed))\n	default:\n		s.enqueueSpan(sp)\n		if n := len(h.history.entries); n > 0 && h.history.entries[n-1].Reason == \"\" {\n			if e := h.history.entries[n-1]; sp.next <= e.seq && s.topics.of(e.Topics[0]) != nil {\n				s.append(element{event: e})\n			}\n		}\n",
			scenario: "clients-drop", as: "^doubled:",
		},
		{
			name: "miscounts", fault: "$joined says one replayed event too many",
			file:     "rooms/replay.go",
			find:     "Replayed: r.sent,",
			replace:  "Replayed: r.sent + 1,",
			scenario: "clients-drop", as: "^replay:",
		},
		{
			name: "overflow-forgets", fault: "the first event of an overflown queue is forgotten",
			file:     "rooms/queue.go",
			find:     "run = &span{next: e.event.seq}",
			replace:  "run = &span{next: e.event.seq + 1}",
			scenario: "clients-halt", as: "^lost:",
		},
		{
			name: "leaves-early", fault: "what waits when a topic is left is dropped",
			file:     "rooms/subscriber.go",
			find:     "LeftFrame(ref, left), \"\"), ended...)",
			replace:  "LeftFrame(ref, left), \"\"), ended[:0]...)",
			scenario: "clients-leave", as: "^lost:",
		},
		{
			name: "passes-over", fault: "who fell behind further than the history is told nothing",
			file:     "rooms/replay.go",
			find:     "	return s.appendResync(buf, topics, SlowConsumer, cursor)\n",
			replace:  "	_ = cursor\n	return buf\n",
			scenario: "clients-slow", as: "^lost:",
		},
		{
			name: "forgets-the-rest", fault: "of what waits for a congested socket only the half frame is written",
			file:     "rooms/ws/socket.go",
			find:     "	if len(rest) > 0 {\n		return rest, false\n	}\n",
			replace:  "	if len(rest) > 0 {\n		return rest[:1], false\n	}\n",
			scenario: "clients-halt", as: "^lost:",
		},
		{
			name: "writes-twice", fault: "a frame of which the kernel took half is written again when there is room",
			file:     "rooms/ws/socket.go",
			find:     "		s.rest = append(s.rest, f.Framed[n:])\n",
			replace:  "		s.rest = append(s.rest, f.Framed[n:])\n		if n > 0 {\n			s.rest = append(s.rest, f.Framed)\n		}\n",
			scenario: "clients-halt", as: "^doubled:",
		},
		{
			name: "stays-congested", fault: "a socket that was congested is not written to again",
			file:     "rooms/ws/session.go",
			find:     "		s.owed.pay(s.answers)\n		s.sub.Resume()\n",
			replace:  "		s.owed.pay(s.answers)\n",
			scenario: "clients-halt", as: "^lost:",
		},
		{
			name: "early-cursor", fault: "each event of a reading has the cursor of the last one",
			file:     "pglisten/reading.go",
			find:     "	c.Resume = b.cursor\n",
			replace:  "	c.Resume = b.head.snapshot\n",
			scenario: "clients-drop", as: "^lost:",
		},
		{
			name: "shared-bytes", fault: "events are written over one another",
			file:     "bridge/translate.go",
			find:     "Data: t.frames.keep(t.frame), ",
			replace:  "Data: t.frame, ",
			scenario: "calm", as: "^(altered|doubled|lost|invented|leaked|end): ",
		},
		{
			name: "deflates-one", fault: "of several events that are sent together all are the first one, deflated",
			file:     "rooms/ws/deflater.go",
			find:     "frames[i].Framed = f.Deflated(d.deflate)",
			replace:  "frames[i].Framed = frames[0].Deflated(d.deflate)",
			scenario: "clients-deflate", as: "^(lost|doubled|order|altered|leaked): ",
		},
		{
			name: "mute", fault: "TRUNCATE is told to nobody",
			file:     "bridge/translate.go",
			find:     "		return append(items, t.resyncChange(c, rooms.Truncated, p.patterns))\n",
			replace:  "		return items\n",
			scenario: "announced", as: "^lost: .*truncate",
		},
		{
			name: "stays", fault: "a row that moved is not told to have gone",
			file:     "bridge/translate_change.go",
			find:     "	if p.rerouted(t.changes) {\n",
			replace:  "	if false {\n",
			scenario: "calm", as: "^lost: .*_deleted",
		},
		{
			name: "keeps-epoch", fault: "a new epoch is told to nobody",
			file:     "rooms/hub.go",
			find:     "	h.deliver(e)\n	h.backlog.handOver()\n	for _, s := range h.subscribers {\n		s.judgeAnew()",
			replace:  "	for _, s := range h.subscribers {\n		s.judgeAnew()",
			scenario: "pg-kill", as: "^lost:",
		},
		{
			name: "sleeps-early", fault: "the reader sleeps though somebody may have seen its promise",
			file:     "pglisten/bell.go",
			find:     "	case s.xmin < b.barrier:\n",
			replace:  "	case false:\n",
			scenario: "late-commit", as: "nobody has looked",
		},
		{
			name: "trusts-the-dead", fault: "another instance's promise is taken to be kept",
			file:     "pglisten/bell.go",
			find:     "	if s.doorbell != b.mine && ahead > 0 && ahead <= maxPromise {\n",
			replace:  "	if false {\n",
			scenario: "dead-promise", as: "nobody has looked",
		},
	}
}

// overlay writes what lays the fault over the source: a file for go build -overlay.
func (b broken) overlay(dir string) (path string, err error) {
	root, err := moduleRoot()
	if err != nil {
		return "", err
	}
	original := filepath.Join(root, b.file)
	source, err := os.ReadFile(original)
	if err != nil {
		return "", err
	}
	if n := strings.Count(string(source), b.find); n != 1 {
		return "", fmt.Errorf("%s: %s has %d times, not once: %q", b.name, b.file, n, b.find)
	}
	replaced := filepath.Join(dir, b.name+".go")
	if err := os.WriteFile(replaced, []byte(strings.Replace(string(source), b.find, b.replace, 1)), 0o600); err != nil {
		return "", err
	}
	list, err := json.Marshal(map[string]map[string]string{"Replace": {original: replaced}})
	if err != nil {
		return "", err
	}
	path = filepath.Join(dir, b.name+".json")
	return path, os.WriteFile(path, list, 0o600)
}

// caught is whether a run found the fault, and not something else.
func (b broken) caught(r result) (as string, ok bool) {
	expected := regexp.MustCompile(b.as)
	for _, v := range r.violations {
		if text := v.Rule + ": " + v.Text; expected.MatchString(text) {
			return text, true
		}
	}
	if r.err != nil && expected.MatchString(r.err.Error()) {
		return r.err.Error(), true
	}
	return "", false
}

// prove plays each broken build's scenario until it is caught. The error says
// that one was not, with any of the seeds.
func prove(ctx context.Context, o options, out io.Writer) (err error) {
	names, err := regexp.Compile("^(" + o.broken + ")$")
	if err != nil {
		return fmt.Errorf("-broken: %w", err)
	}
	list := slices.DeleteFunc(brokenBuilds(), func(b broken) bool {
		return o.broken != "all" && !names.MatchString(b.name) || o.short && !b.short
	})
	if len(list) == 0 {
		return fmt.Errorf("no broken build matches %q", o.broken)
	}
	dir, err := os.MkdirTemp("", "rowcast-broken-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	sound, err := build(ctx, dir)
	if err != nil {
		return err
	}
	r := newRunner(sound, dir, o.parallel) // its clusters are made by a sound one
	defer func() { err = errors.Join(err, r.close()) }()
	fmt.Fprintf(out, "%d broken builds, seeds %d to %d each until one catches it\n\n", len(list), o.seed, o.seed+uint64(o.seeds)-1)
	missed := 0
	for _, b := range list {
		began := time.Now()
		tried, as, err := r.prove(ctx, b, filepath.Join(dir, b.name), o.numbers())
		if err != nil {
			return fmt.Errorf("%s: %w", b.name, err)
		}
		verdict := fmt.Sprintf("caught by %s with seed %d, after %v: %.100s", b.scenario, tried, time.Since(began).Round(time.Second), as)
		if as == "" {
			missed++
			verdict = fmt.Sprintf("NOT CAUGHT by %s with %d seeds", b.scenario, tried)
		}
		fmt.Fprintf(out, "%-16s %s\n%-16s %s\n", b.name, b.fault, "", verdict)
	}
	if missed > 0 {
		return fmt.Errorf("%d of %d broken builds were not caught", missed, len(list))
	}
	return nil
}

// prove says how many seeds it took, and as what the build was caught.
func (r *runner) prove(ctx context.Context, b broken, dir string, seeds []uint64) (tried int, as string, err error) {
	list := slices.DeleteFunc(scenarios(), func(sc scenario) bool { return sc.name != b.scenario })
	if len(list) != 1 {
		return 0, "", fmt.Errorf("%d scenarios are called %s", len(list), b.scenario)
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return 0, "", err
	}
	overlay, err := b.overlay(dir)
	if err != nil {
		return 0, "", err
	}
	if r.bin, err = build(ctx, dir, "-overlay", overlay); err != nil {
		return 0, "", err
	}
	for _, seed := range seeds {
		var res result
		r.all(ctx, list, []uint64{seed}, func(results []result) { res = results[0] })
		if ctx.Err() != nil {
			return tried, "", ctx.Err()
		}
		tried++
		if as, ok := b.caught(res); ok {
			return tried, as, nil
		}
		err = errors.Join(err, res.err) // of the suite; the next seed may do
	}
	return tried, "", err
}
