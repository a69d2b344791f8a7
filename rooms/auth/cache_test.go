package auth

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// fixed is a hub in which nothing changes.
var fixed = ledger{mark: func() uint64 { return 1 }, changed: func(uint64) bool { return false }}

// fill has the asker decide so many wishes.
func fill(c *decisions, by asker, n int, allowed bool) {
	for i := range n {
		w := wish{by, fmt.Sprint(i)}
		if d, isNew := c.of(w, fixed); isNew {
			c.settle(w, d, allowed, nil)
		}
	}
}

func known(c *decisions, by asker, topic string) bool {
	w := wish{by, topic}
	d, isNew := c.of(w, fixed)
	if isNew { // ask nothing, and leave nothing behind
		c.settle(w, d, false, errBusy)
	}
	return !isNew
}

func TestDecisions_bounds(t *testing.T) {
	t.Parallel()
	asker := func(n int) asker { return asker{byte(n), byte(n >> 8)} }
	for name, f := range map[string]func(t *testing.T, c *decisions){
		"endless_names_of_one_push_out_his_own": func(t *testing.T, c *decisions) {
			for n, allowed := range []bool{true, false} {
				one, greedy := asker(2*n), asker(2*n+1)
				fill(c, one, 1, allowed)
				fill(c, greedy, 2*maxOwned, allowed)
				if kept, _ := c.counts(); kept != (n+1)*(maxOwned+1) {
					t.Errorf("%d kept", kept)
				}
				if !known(c, one, "0") {
					t.Errorf("allowed %v: another's is gone", allowed)
				}
				if known(c, greedy, "0") || !known(c, greedy, fmt.Sprint(2*maxOwned-1)) {
					t.Errorf("allowed %v: not the oldest went", allowed)
				}
			}
		},
		"what_is_denied_pushes_out_no_right": func(t *testing.T, c *decisions) {
			fill(c, asker(0), 1, true)
			for n := range 1 + maxDecisions/maxOwned {
				fill(c, asker(n+1), maxOwned, false)
			}
			if !known(c, asker(0), "0") {
				t.Error("it did")
			}
		},
		"all_askers_together": func(t *testing.T, c *decisions) {
			for n := range 1 + maxDecisions/maxOwned {
				fill(c, asker(n), maxOwned, true)
			}
			if kept, _ := c.counts(); kept != maxDecisions || len(c.allowed.owned) != maxDecisions/maxOwned {
				t.Errorf("%d kept of %d askers, want %d", kept, len(c.allowed.owned), maxDecisions)
			}
			if known(c, asker(0), "0") {
				t.Error("not the oldest went")
			}
		},
		"what_expired_is_given_back": func(t *testing.T, c *decisions) {
			fill(c, asker(1), 1000, true)
			<-time.After(DefaultCache)
			fill(c, asker(2), 1, true)
			if kept, _ := c.counts(); kept != 1 || len(c.allowed.owned) != 1 || len(c.pending) != 0 {
				t.Errorf("%d kept of %d askers, %d on their way", kept, len(c.allowed.owned), len(c.pending))
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { f(t, newDecisions(DefaultCache)) })
		})
	}
}
