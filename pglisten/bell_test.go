package pglisten

import (
	"testing"
	"time"
)

// A bell's life, step by step: what it saw, what it wants, where it stands.
func TestBell(t *testing.T) {
	t.Parallel()
	const s = 1_000_000 // the server's clock, ms
	type step struct {
		name  string
		after time.Duration
		sight sight
		want  order
		state bellState
	}
	for _, life := range []struct {
		name  string
		steps []step
	}{
		{"wakes_and_lies_down", []step{
			{"barrier not passed", 0, sight{clock: s, doorbell: s, xmin: 9}, order{}, settling},
			{"barrier passed", 0, sight{clock: s, doorbell: s, xmin: 10}, order{}, asleep},
			{"three rings", 0, sight{rings: 3, found: 3, clock: s, doorbell: s}, order{}, asleep},
			{"a fourth too late", 51 * time.Millisecond, sight{rings: 1, clock: s, doorbell: s}, order{}, asleep},
			{"three more", 0, sight{rings: 3, found: 1, clock: s, doorbell: s}, order{set: setPromise, relay: true}, awake},
			{"found", 20 * time.Millisecond, sight{found: 2, clock: s, doorbell: 500}, order{relay: true}, awake},
			{"found too soon to relay", time.Millisecond, sight{found: 2, clock: s, doorbell: 500}, order{}, awake},
			{"nothing, renewal", 250 * time.Millisecond, sight{clock: s, doorbell: 500}, order{set: setPromise, relay: true}, awake},
			{"nothing, and nothing owed, renewal", 250 * time.Millisecond, sight{clock: s, doorbell: 500}, order{set: setPromise, relay: true}, awake},
			{"nothing", 0, sight{clock: s, doorbell: 500}, order{}, awake},
			{"nothing", 0, sight{clock: s, doorbell: 500}, order{}, awake},
			{"nothing", 0, sight{clock: s, doorbell: 500}, order{}, awake},
			{"nothing for long", 0, sight{clock: s, doorbell: 500}, order{set: setNow, settle: true}, settling},
			{"found behind the barrier", 20 * time.Millisecond, sight{found: 1, clock: s, doorbell: s, xmin: 9}, order{relay: true}, settling},
			{"barrier passed, the last relay", 0, sight{found: 1, clock: s, doorbell: s, xmin: 10}, order{relay: true}, asleep},
			{"old", 0, sight{clock: s + 30_001, doorbell: s}, order{set: setNow}, asleep},
		}},
		{"follows_another", []step{
			{"barrier passed", 0, sight{clock: s, doorbell: s, xmin: 10}, order{}, asleep},
			{"a promise", 0, sight{clock: s, doorbell: s + 400}, order{}, asleep},
			{"renewed", 0, sight{clock: s + 300, doorbell: s + 700}, order{}, asleep},
			{"over", 0, sight{clock: s + 701, doorbell: s + 700}, order{settle: true}, settling},
			{"barrier passed", 0, sight{clock: s + 702, doorbell: s + 700, xmin: 10}, order{}, asleep},
			{"nobody's promise", 0, sight{clock: s, doorbell: s + 1001}, order{}, asleep},
		}},
		{"settles_anew_when_the_log_turns", []step{
			{"barrier passed", 0, sight{clock: s, doorbell: s, xmin: 10}, order{}, asleep},
			{"another turn", 0, sight{clock: s, doorbell: s, xmin: 12, turn: 1}, order{settle: true}, settling},
			{"yet another", 0, sight{clock: s, doorbell: s, xmin: 12, turn: 2}, order{settle: true}, settling},
			{"barrier passed", 0, sight{clock: s, doorbell: s, xmin: 12, turn: 2}, order{}, asleep},
		}},
		{"says_that_it_is_there_while_it_settles", []step{ // or a long transaction would make writers take it for gone
			{"old", 0, sight{clock: s + 30_001, doorbell: s, xmin: 9}, order{set: setNow}, settling},
			{"renewed", 0, sight{clock: s + 30_002, doorbell: s + 30_001, xmin: 9}, order{}, settling},
			{"barrier passed", 0, sight{clock: s + 30_003, doorbell: s + 30_001, xmin: 10}, order{}, asleep},
		}},
		{"follows_another_while_settling", []step{
			{"a promise", 0, sight{clock: s, doorbell: s + 400, xmin: 9}, order{}, settling},
			{"over, and the barrier passed", 0, sight{clock: s + 401, doorbell: s + 400, xmin: 10}, order{settle: true}, settling},
		}},
	} {
		t.Run(life.name, func(t *testing.T) {
			t.Parallel()
			now := time.Unix(0, 0)
			b := bell{tempo: defaultTempo(), backstop: DefaultBackstop}
			b.done(now, order{set: setNow, settle: true}, 0, 10)
			for _, step := range life.steps {
				now = now.Add(step.after)
				got := b.after(now, step.sight)
				if got != step.want {
					t.Fatalf("%s: wants %+v", step.name, got)
				}
				b.done(now, got, 500, 10)
				if b.state != step.state {
					t.Fatalf("%s: %v", step.name, b.state)
				}
			}
		})
	}
}

func TestBell_polling(t *testing.T) {
	t.Parallel()
	b := bell{tempo: defaultTempo(), backstop: DefaultPollInterval, state: polling}
	now := time.Unix(0, 0)
	for _, step := range []struct {
		doorbell int64
		want     order
	}{{-40_000, order{}}, {40_000, order{set: setNow}}, {-9_999, order{set: setNow}}} {
		if got := b.after(now, sight{clock: 40_000, doorbell: step.doorbell, rings: 9}); got != step.want {
			t.Errorf("%d: wants %+v", step.doorbell, got)
		}
	}
	if d := b.next(now).Sub(now); d != DefaultPollInterval {
		t.Errorf("next poll in %v", d)
	}
}

// Where to look, of a cursor that sees all before xmin.
func TestBell_turnAfter(t *testing.T) {
	t.Parallel()
	now := time.Unix(0, 0)
	b := bell{tempo: defaultTempo(), backstop: DefaultBackstop, turn: -1}
	want := func(xmin uint64, turn int64) {
		t.Helper()
		if got := b.turnAfter(xmin); got != turn {
			t.Errorf("after %d: %d, want %d", xmin, got, turn)
		}
	}
	poll := func(turn int64) { b.done(now, b.after(now, sight{turn: turn, xmin: 9}), 0, 10) }
	want(99, -1) // no barrier yet
	b.seenTurn = 4
	b.done(now, order{settle: true}, 0, 10)
	want(9, -1)
	want(10, 4)
	poll(5) // it has turned, so the next poll would only find that out again
	want(10, -1)
}
