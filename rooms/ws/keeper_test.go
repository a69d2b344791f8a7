package ws

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"rowcast/rooms"
	"rowcast/rooms/auth"
)

// TestKeeper: each session is looked at once a round, be they few or many.
func TestKeeper(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, 24, 25, 26, 1000} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			k := keeping(t)
			for range n {
				k.begin()
			}
			for range 3 {
				most := 0
				k.round(func(looked int) { most = max(most, looked) })
				for s := range k.sessions {
					if k.looks[s] != 1 {
						t.Fatalf("looked at %d times", k.looks[s])
					}
				}
				if even := (n + keeperSteps - 1) / keeperSteps; most > even {
					t.Errorf("%d were looked at in one step, of %d", most, n)
				}
			}
		})
	}
}

// TestKeeper_changing: so it is while others come and go.
func TestKeeper_changing(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		random := rand.New(rand.NewPCG(seed, 0))
		k := keeping(t)
		k.begin() // one that stays: without any, no round passes
		for s := range k.sessions {
			k.host = s
		}
		for range random.IntN(200) {
			k.begin()
		}
		for range 10 {
			stayed := map[*session]bool{}
			for s := range k.sessions {
				stayed[s] = true
			}
			comes := random.IntN(10)
			k.round(func(int) {
				for range random.IntN(10) {
					if random.IntN(10) < comes {
						k.begin()
					} else if s := k.any(random); s != k.host {
						k.end(s)
						delete(stayed, s)
					}
				}
			})
			for s, n := range k.looks {
				if n > 1 || n == 0 && stayed[s] {
					t.Fatalf("seed %d: looked at %d times", seed, n)
				}
			}
			for s := range stayed {
				if k.looks[s] != 1 {
					t.Fatalf("seed %d: looked at %d times", seed, k.looks[s])
				}
			}
		}
	}
}

// kept are sessions of a Handler whose time does not pass by itself.
type kept struct {
	*Handler
	t        *testing.T
	sessions map[*session]bool
	host     *session         // stays
	looks    map[*session]int // in this round
}

func keeping(t *testing.T) *kept {
	t.Helper()
	gate, err := auth.New(auth.Options{})
	if err != nil {
		t.Fatal(err)
	}
	k := &kept{t: t, Handler: New(rooms.New(rooms.Options{}), gate, Options{Heartbeat: 1000 * time.Hour}), sessions: map[*session]bool{}}
	t.Cleanup(func() {
		for s := range k.sessions {
			k.end(s)
		}
		if k.keeper.timer != nil {
			k.keeper.timer.Stop()
		}
	})
	return k
}

func (k *kept) begin() { k.sessions[k.Handler.begin(plain, func() {})] = true }

func (k *kept) end(s *session) {
	delete(k.sessions, s)
	k.Handler.end(s, errGone)
}

// any is one of the sessions, by its place.
func (k *kept) any(random *rand.Rand) *session {
	return k.Handler.sessions[random.IntN(len(k.Handler.sessions))]
}

// round lets a round pass, and calls between after each step.
func (k *kept) round(between func(looked int)) {
	k.looks = map[*session]int{}
	for range keeperSteps {
		piece, ok := k.piece()
		if ok {
			k.running.Done()
		}
		for _, s := range piece {
			k.looks[s]++
		}
		between(len(piece))
	}
}

// TestHeartbeat_bounds: whoever is silent is sent away after two heartbeats, or a
// quarter more; where others come and go, a place in the round is one of a moment, which
// makes a quarter.
func TestHeartbeat_bounds(t *testing.T) {
	t.Parallel()
	const heartbeat = 20 * time.Second
	const quarter = heartbeat / keeperRounds
	for n, slack := range map[int]time.Duration{1: 0, 30: quarter} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := inMemory(t, func(_ *rooms.Options, _ *auth.Options, o *Options) { o.Heartbeat = heartbeat })
				ended := make(chan time.Duration, n)
				for range n {
					c := w.raw(t)
					_ = c.conn.SetDeadline(time.Time{})
					c.plainUpgrade("/ws?topics=a")
					begin := time.Now()
					go func() {
						for op, _, err := readFrame(c.in); err == nil && op != 0x88; op, _, err = readFrame(c.in) {
						}
						ended <- time.Since(begin)
						_ = c.conn.Close()
					}()
					<-time.After(777 * time.Millisecond)
				}
				for range n {
					if d := <-ended; d < 2*heartbeat-slack || d > 2*heartbeat+quarter+slack {
						t.Errorf("sent away after %v", d)
					}
				}
			})
		})
	}
}
