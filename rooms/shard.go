package rooms

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// shards write for the subscribers that have an outlet. Each subscriber stays in
// its own for life, so that the cores do not take connections from one another.
type shards struct {
	all    []*shard
	turn   atomic.Uint32
	frames sync.Pool // of *[]Frame, for those who write
}

func newShards() *shards {
	s := &shards{all: make([]*shard, runtime.GOMAXPROCS(0)), frames: sync.Pool{New: func() any { return new([]Frame) }}}
	for i := range s.all {
		s.all[i] = &shard{shards: s, number: i}
		s.all[i].swept.L = &s.all[i].mu
	}
	return s
}

// next returns the shard for the next subscriber.
func (s *shards) next() *shard { return s.all[s.turn.Add(1)%uint32(len(s.all))] }

// write writes for each of the list, who must not be in any shard.
func (s *shards) write(list []*Subscriber) {
	frames := s.frames.Get().(*[]Frame)
	defer s.frames.Put(frames)
	for _, sub := range list {
		*frames = sub.write(*frames)
	}
}

// wait returns when the shards have been at everyone who has something to write now.
func (s *shards) wait() {
	for _, sh := range s.all {
		sh.wait()
	}
}

// shard is a list of subscribers that have something to write, and while there are
// any, a goroutine that goes from one to the next. What is published meanwhile waits
// in the queues, and goes with the rest in one system call: the further a shard is
// behind, the cheaper it gets.
type shard struct {
	shards *shards
	number int

	mu       sync.Mutex
	ready    []*Subscriber // each is here once
	sweeping bool
	sweeps   uint64 // that have ended
	swept    sync.Cond
}

// add makes subscribers ready. It takes the shard's lock alone, and may be called
// under any other.
func (sh *shard) add(s ...*Subscriber) {
	if len(s) == 0 {
		return
	}
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.ready = append(sh.ready, s...)
	if !sh.sweeping {
		sh.sweeping = true
		go sh.sweep() // it ends by itself, for nothing makes it wait
	}
}

// sweep writes for those who are ready, and for those who have become so by then,
// until nobody is.
func (sh *shard) sweep() {
	var list []*Subscriber
	for list = sh.swap(list); len(list) > 0; list = sh.swap(list) {
		sh.shards.write(list)
		clear(list)
	}
}

// swap ends a sweep and begins the next: it returns who is ready, and puts the empty
// list in the place of theirs.
func (sh *shard) swap(list []*Subscriber) []*Subscriber {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	list, sh.ready = sh.ready, list[:0]
	sh.sweeping = len(list) > 0
	sh.sweeps++
	sh.swept.Broadcast()
	return list
}

// wait returns when those who are ready now have been written for.
func (sh *shard) wait() {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	end := sh.sweeps + 1
	if len(sh.ready) > 0 {
		end++ // theirs comes after the one under way
	}
	for sh.sweeping && sh.sweeps < end {
		sh.swept.Wait()
	}
}
