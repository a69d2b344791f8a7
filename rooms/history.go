package rooms

import (
	"cmp"
	"slices"
	"sort"
	"sync/atomic"
	"time"

	"rowcast/internal/snapshot"
)

// entryOverhead is about what an entry takes besides its texts; topicOverhead
// the same for each of its topics.
const (
	entryOverhead = 192
	topicOverhead = 48
)

// entry is an item in its place. Histories and queues share it, so nothing in it
// changes, but that deflated comes late.
type entry struct {
	Item
	framed []byte        // the WebSocket frame of which Data is the end
	seq    uint64        // the hub's own count of items: no gaps, never again
	at     time.Duration // when it was published, by the hub's clock
	// mark sees the transactions of this entry and of all before it: a cursor
	// that sees no less has nothing to get from here or from earlier.
	mark snapshot.Snapshot
	// resume is Cursor, or where nothing gave one the hub's at that time.
	resume string
	// deflated is framed as Frame.Deflated has it; nil until somebody asked.
	deflated atomic.Pointer[[]byte]
}

// size is what the entry takes of a history. What is deflated is not counted: it comes
// while the entry is there already, without the hub's lock, and is always less than
// what is.
func (e *entry) size() int64 {
	n := entryOverhead + len(e.Data) + len(e.Cursor)
	for _, t := range e.Topics {
		n += topicOverhead + len(t)
	}
	return int64(n)
}

// trail is a run of entries, oldest first. What is dropped in front is
// collected when append next moves the rest.
type trail []*entry

// from returns the part of the trail that begins at seq.
func (t trail) from(seq uint64) trail {
	return t[sort.Search(len(t), func(i int) bool { return t[i].seq >= seq }):]
}

// drop removes the oldest entry.
func (t trail) drop() trail {
	t[0] = nil
	return t[1:]
}

// history holds the newest items within a number of bytes and an age. Guarded
// by the hub's lock.
type history struct {
	limit int64
	age   time.Duration

	entries trail
	topics  map[string]trail // the events, by topic
	resyncs trail            // they may name patterns: whoever replays looks at all
	bytes   int64
	seq     uint64            // of the newest item there ever was
	top     snapshot.Snapshot // the newest mark

	floor   snapshot.Snapshot // cursors that do not see all of it cannot be answered
	began   time.Duration     // when the first item could have come
	dropped time.Duration     // when the newest item dropped was published; below 0 for none
}

// reset empties the history. Only the count goes on.
func (h *history) reset(floor snapshot.Snapshot, now time.Duration) {
	*h = history{
		limit: h.limit, age: h.age, seq: h.seq,
		topics: map[string]trail{},
		top:    floor, floor: floor, began: now, dropped: -1,
	}
}

// advance makes what is added from now on belong to the reading that s is the
// snapshot of.
func (h *history) advance(s snapshot.Snapshot) {
	switch {
	case h.top.Within(s):
		h.top = s
	case !s.Within(h.top):
		h.top = h.top.Join(s)
	}
}

// add appends an item. cursor is the hub's.
func (h *history) add(item Item, cursor string, now time.Duration) *entry {
	if item.XID != 0 && !h.top.Visible(item.XID) {
		h.top = seeing(h.top, item.XID)
	}
	h.seq++
	e := &entry{Item: item, seq: h.seq, at: now, mark: h.top, resume: cmp.Or(item.Cursor, cursor)}
	if item.Reason == "" {
		e.framed, e.Data = frameMessage(finalText, item.Data)
	}
	h.entries = append(h.entries, e)
	if e.Reason != "" {
		h.resyncs = append(h.resyncs, e)
	} else {
		for _, t := range e.Topics {
			if trail := h.topics[t]; len(trail) == 0 || trail[len(trail)-1] != e {
				h.topics[t] = append(trail, e)
			}
		}
	}
	h.bytes += e.size()
	return e
}

// evict drops what is too old or too much.
func (h *history) evict(now time.Duration) {
	for len(h.entries) > 0 {
		e := h.entries[0]
		if h.bytes <= h.limit && now-e.at <= h.age {
			return
		}
		h.entries = h.entries.drop()
		h.bytes -= e.size()
		h.floor = e.mark
		if e.at > h.began { // what was loaded is no loss to anyone here
			h.dropped = e.at
		}
		if e.Reason != "" {
			h.resyncs = h.resyncs.drop()
			continue
		}
		for _, t := range e.Topics {
			switch trail := h.topics[t]; {
			case len(trail) == 0 || trail[0] != e: // the topic twice
			case len(trail) == 1:
				delete(h.topics, t)
			default:
				h.topics[t] = trail.drop()
			}
		}
	}
}

// holds reports whether the item of that number is still there.
func (h *history) holds(seq uint64) bool { return seq > h.seq-uint64(len(h.entries)) }

// unseen returns the number of the first item that may have come after the
// cursor's snapshot.
func (h *history) unseen(c snapshot.Snapshot) uint64 {
	return h.first(func(e *entry) bool { return !e.mark.Within(c) })
}

// published returns the number of the first item published at cut or later, and
// whether nothing is missing from there on.
func (h *history) published(cut time.Duration) (seq uint64, complete bool) {
	return h.first(func(e *entry) bool { return e.at >= cut }), cut > h.began && cut > h.dropped
}

// first returns the number of the first item for which ok holds, as it must
// for all that follow.
func (h *history) first(ok func(*entry) bool) uint64 {
	n := sort.Search(len(h.entries), func(i int) bool { return ok(h.entries[i]) })
	return h.seq - uint64(len(h.entries)-n) + 1
}

// span is how far back a cursor can be and still be answered, as far as is
// known: without end when nothing was dropped yet.
func (h *history) span(now time.Duration) (d time.Duration, bounded bool) {
	return now - h.dropped, h.dropped >= 0
}

// seeing returns a snapshot that sees xid and all that s sees.
func seeing(s snapshot.Snapshot, xid uint64) snapshot.Snapshot {
	others := slices.DeleteFunc(slices.Clone(s.InProgress()), func(x uint64) bool { return x == xid })
	return snapshot.New(max(s.Xmax(), xid+1), others...)
}

// merge walks several trails as one, in order, each entry once.
type merge []trail

// next returns the earliest entry left, and steps past it; nil at the end.
func (m merge) next() *entry {
	var e *entry
	for _, t := range m {
		if len(t) > 0 && (e == nil || t[0].seq < e.seq) {
			e = t[0]
		}
	}
	for i, t := range m {
		if len(t) > 0 && t[0] == e {
			m[i] = t[1:]
		}
	}
	return e
}
