package rooms

const (
	// fewWoken are written for by the publisher: sooner than a goroutine would
	// have been woken to do it.
	fewWoken = 16

	// framesEarly is how many Publish may put into queues before those who were
	// woken are left to their shards, be the batch at its end or not: some
	// milliseconds of work. Sooner each would get its frames in more system calls.
	framesEarly = 1 << 16

	// framesMost is how many frames Publish may put into queues before it waits for
	// the shards: some 24 MB of them.
	framesMost = 1 << 20
)

// backlog is what publishing leaves to be written: who has to be written for and is in
// no shard yet, by shard, and how much was published since the shards were last waited
// for. Guarded by the hub's lock.
type backlog struct {
	shards *shards
	woken  [][]*Subscriber
	n      int // of them

	early  int   // frames put into queues since the last hand-over
	frames int   // put into queues
	bytes  int64 // of the items they are of
	most   int64 // bytes
}

func newBacklog(s *shards, most int64) backlog {
	return backlog{shards: s, woken: make([][]*Subscriber, len(s.all)), most: most}
}

func (b *backlog) add(s *Subscriber) {
	b.woken[s.shard.number] = append(b.woken[s.shard.number], s)
	b.n++
}

// published counts an item that was put into so many queues. far says that the shards
// must be waited for: for memory's sake there are too many frames in queues, or so many
// bytes that a queue could be full whose client keeps up.
func (b *backlog) published(frames int, bytes int64) (far bool) {
	if frames > 0 {
		b.frames += frames
		b.bytes += bytes
	}
	if far = b.frames >= framesMost || b.bytes >= b.most; far {
		b.frames, b.bytes = 0, 0
	}
	b.early += frames
	if far || b.early >= framesEarly {
		b.handOver()
	}
	return far
}

// handOver leaves those who were woken to their shards.
func (b *backlog) handOver() {
	for i, list := range b.woken {
		b.shards.all[i].add(list...)
	}
	b.clear()
}

// few returns those who were woken, in list's memory; when they are not few they are
// left to their shards.
func (b *backlog) few(list []*Subscriber) []*Subscriber {
	if b.n > fewWoken {
		b.handOver()
	}
	for _, l := range b.woken {
		list = append(list, l...)
	}
	b.clear()
	return list
}

func (b *backlog) clear() {
	for i, list := range b.woken {
		clear(list)
		b.woken[i] = list[:0]
	}
	b.n, b.early = 0, 0
}
