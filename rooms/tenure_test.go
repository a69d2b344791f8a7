package rooms

import (
	"errors"
	"maps"
	"math"
	"slices"

	"pgregory.net/rapid"
)

// tenure is what one connection may be shown: the oracle of access. It counts
// in rows that its instance published, and knows nothing of marks.
type tenure struct {
	client   *client
	instance *instance
	sub      *Subscriber
	verdict  *verdict           // taken before the next join, perhaps long before
	stays    map[string][]*stay // by topic
	evicted  map[string]int     // $left that are owed
	ending   error              // what ended it
}

// stay is a time in a topic: no row outside is shown for it.
type stay struct{ from, to int }

// verdict is a decision that the client may join whatever it asks for.
type verdict struct {
	mark   uint64
	place  int // rows published when it was taken
	resets int
}

// anyLedger is a ledger's limit that no test reaches: what it does not know is
// not denied.
const anyLedger int64 = ledgerBytes

func newTenure(c *client, i *instance, s *Subscriber) *tenure {
	n := &tenure{client: c, instance: i, sub: s, stays: map[string][]*stay{}, evicted: map[string]int{}}
	i.tenures = append(i.tenures, n)
	return n
}

// judge decides now.
func (n *tenure) judge() {
	n.verdict = &verdict{place: len(n.instance.published), resets: n.instance.resets}
	if n.client.guarded {
		n.verdict.mark = n.instance.hub.Mark()
	}
}

// take returns the verdict for a join.
func (n *tenure) take() verdict {
	if n.verdict == nil {
		n.judge()
	}
	v := *n.verdict
	n.verdict = nil
	return v
}

// outdated returns the topics whose access changed since the verdict.
func (n *tenure) outdated(v verdict, topics []string) (changed []string) {
	for _, topic := range topics {
		mine := func(r *row) bool { return r.changes(n.client.subject, topic) }
		if n.client.guarded && (v.resets != n.instance.resets || slices.ContainsFunc(n.instance.published[v.place:], mine)) {
			changed = append(changed, topic)
		}
	}
	return changed
}

// join notes what a join of these topics brought.
func (n *tenure) join(t *rapid.T, topics, outdated []string, replay bool) {
	now, member := len(n.instance.published), n.sub.Topics()
	for _, topic := range topics {
		open := n.open(topic)
		switch late := slices.Contains(outdated, topic); {
		case !slices.Contains(member, topic):
		case open == nil && late:
			t.Fatalf("%s is in %q by a decision that was made before its access changed", n.client.name, topic)
		case open == nil:
			open = &stay{from: now, to: math.MaxInt}
			n.stays[topic] = append(n.stays[topic], open)
			fallthrough
		case !late && replay:
			if replay {
				open.from = 0
			}
		}
	}
}

// open is the stay that lasts, if one does.
func (n *tenure) open(topic string) *stay {
	if stays := n.stays[topic]; len(stays) > 0 && stays[len(stays)-1].to == math.MaxInt {
		return stays[len(stays)-1]
	}
	return nil
}

// leave ends a stay.
func (n *tenure) leave(topic string) {
	if s := n.open(topic); s != nil {
		s.to = len(n.instance.published)
	}
}

// end ends all.
func (n *tenure) end(cause error) {
	if n.ending == nil {
		n.ending = cause
		for topic := range n.stays {
			n.leave(topic)
		}
	}
}

// change is what a row does that is published now.
func (n *tenure) change(r *row) {
	if r.access == nil || n.ending != nil {
		return
	}
	for topic := range n.stays {
		if n.open(topic) == nil || !r.changes(n.client.subject, topic) {
			continue
		}
		switch {
		case r.access.Effect == Revoked && n.client.level == Library:
			n.leave(topic)
			n.evicted[topic]++
		case r.access.Effect == Revoked:
			n.end(ErrRevoked)
			return
		case r.access.Effect == Unknown && n.client.guarded:
			n.end(ErrUncertain)
			return
		}
	}
}

// reset is what the end of an epoch does.
func (n *tenure) reset() {
	if n.client.guarded {
		n.end(ErrUncertain)
	}
}

// show judges an event that was sent.
func (n *tenure) show(t *rapid.T, r *row) {
	place := n.instance.place[r.id]
	for topic, stays := range n.stays {
		for _, s := range stays {
			if r.in(topic) && s.from <= place && place < s.to {
				return
			}
		}
	}
	t.Fatalf("%s was sent event %d, and was not to see it", n.client.name, r.id)
}

// left judges a $left of an eviction.
func (n *tenure) left(t *rapid.T, topic string) {
	if n.evicted[topic]--; n.evicted[topic] < 0 {
		t.Fatalf("%s is told to have lost %q, and had not", n.client.name, topic)
	}
}

// over judges the end of all that was sent.
func (n *tenure) over(t *rapid.T, err error) {
	if !errors.Is(err, n.ending) {
		t.Fatalf("%s: ended with %v, want %v", n.client.name, err, n.ending)
	}
	for _, topic := range slices.Sorted(maps.Keys(n.evicted)) {
		if n.evicted[topic] > 0 {
			t.Fatalf("%s was not told that it lost %q", n.client.name, topic)
		}
	}
}
