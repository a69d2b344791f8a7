package bridge

import (
	"sync"
	"sync/atomic"

	"rowcast/bridge/typegen"
	"rowcast/pglisten"
)

// schema is the hash of the types of all events, as it is now. It is computed
// once for each loading of the watches, when a client first asks, and on that
// client's goroutine: the road never waits for it.
type schema struct {
	ask atomic.Pointer[func() string]
}

// of takes newly loaded watches.
func (s *schema) of(watches []*pglisten.Watch) {
	ask := sync.OnceValue(func() string { return typegen.New(watches).Hash() })
	s.ask.Store(&ask)
}

// hash returns the hash; "" before watches were loaded.
func (s *schema) hash() string {
	if ask := s.ask.Load(); ask != nil {
		return (*ask)()
	}
	return ""
}
