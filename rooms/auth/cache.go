package auth

import (
	"container/list"
	"crypto/sha256"
	"sync"
	"time"
)

const (
	// deniedFor is how long a denial lasts, for grants that nobody announces.
	deniedFor = time.Second

	maxDecisions = 64 << 10 // kept of each kind, allowed and denied
	maxOwned     = 4 << 10  // and of one asker
)

// asker is the digest of the claims with which somebody asks.
type asker = [sha256.Size]byte

// wish is what a decision is about.
type wish struct {
	by    asker
	topic string
}

// decision is the database's about one wish, made or on its way.
type decision struct {
	mark  uint64        // of the hub, from before the question
	known chan struct{} // closed when what follows is

	allowed bool
	err     error // the database could not be asked: allowed says nothing
}

// decisions are the cache: those made that still hold, and those on their way,
// for which everybody waits who wishes the same. A decision is good only while
// the hub knows of no change since its mark.
type decisions struct {
	mu      sync.Mutex
	pending map[wish]*decision
	made    map[wish]*made
	allowed *shelf
	denied  *shelf
	shared  uint64 // wishes for which no question was needed
}

// made is a decision that was made, in its places.
type made struct {
	*decision
	wish    wish
	expires time.Time
	shelf   *shelf
	among   *list.Element // all on the shelf
	owned   *list.Element // its asker's there
}

// shelf holds decisions in the order in which they expire. Those denied have
// their own: names that somebody thinks up displace nobody's rights.
type shelf struct {
	lasting time.Duration
	all     list.List
	owned   map[asker]*list.List // none is empty
}

// newDecisions returns a cache in which what was allowed lasts so long, and what
// was denied a second of that.
func newDecisions(lasting time.Duration) *decisions {
	return &decisions{
		pending: map[wish]*decision{},
		made:    map[wish]*made{},
		allowed: &shelf{lasting: lasting, owned: map[asker]*list.List{}},
		denied:  &shelf{lasting: min(lasting, deniedFor), owned: map[asker]*list.List{}},
	}
}

// ledger is what the hub knows of changes, about one wish.
type ledger struct {
	mark    func() uint64
	changed func(since uint64) bool
}

// of returns the decision about a wish. When it is new the caller has it made:
// settle must follow.
func (c *decisions) of(w wish, l ledger) (d *decision, isNew bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if m := c.made[w]; m != nil {
		if time.Now().Before(m.expires) && !l.changed(m.mark) {
			c.shared++
			return m.decision, false
		}
		c.remove(m)
	}
	// A question from before a change is for those who asked it: the hub looks
	// only for changes since the mark of the one who joins.
	if d := c.pending[w]; d != nil && !l.changed(d.mark) {
		c.shared++
		return d, false
	}
	d = &decision{mark: l.mark(), known: make(chan struct{})}
	c.pending[w] = d
	return d, true
}

// settle makes the decision known, and keeps it unless it is an error.
func (c *decisions) settle(w wish, d *decision, allowed bool, err error) {
	d.allowed, d.err = allowed, err
	close(d.known)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pending[w] != d {
		return // one with a later mark is on its way, or made
	}
	delete(c.pending, w)
	switch {
	case err != nil:
	case allowed:
		c.keep(w, d, c.allowed)
	default:
		c.keep(w, d, c.denied)
	}
}

// keep puts a decision on a shelf. When that is full the oldest makes room, of
// the same asker if he has his share.
func (c *decisions) keep(w wish, d *decision, s *shelf) {
	now := time.Now()
	for s.all.Len() > 0 {
		oldest := s.all.Front().Value.(*made)
		if now.Before(oldest.expires) {
			break
		}
		c.remove(oldest)
	}
	switch own := s.owned[w.by]; {
	case own != nil && own.Len() >= maxOwned:
		c.remove(own.Front().Value.(*made))
	case s.all.Len() >= maxDecisions:
		c.remove(s.all.Front().Value.(*made))
	}
	own := s.owned[w.by]
	if own == nil {
		own = list.New()
		s.owned[w.by] = own
	}
	m := &made{decision: d, wish: w, expires: now.Add(s.lasting), shelf: s}
	m.among, m.owned = s.all.PushBack(m), own.PushBack(m)
	c.made[w] = m
}

func (c *decisions) remove(m *made) {
	m.shelf.all.Remove(m.among)
	own := m.shelf.owned[m.wish.by]
	own.Remove(m.owned)
	if own.Len() == 0 {
		delete(m.shelf.owned, m.wish.by)
	}
	delete(c.made, m.wish)
}

// counts returns how many decisions are kept, and how many wishes needed no
// question.
func (c *decisions) counts() (kept int, shared uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.made), c.shared
}
