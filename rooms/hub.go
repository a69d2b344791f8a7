package rooms

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"time"

	"rowcast/internal/snapshot"
)

// Defaults of Options.
const (
	DefaultHistoryBytes = 64 << 20
	DefaultHistoryAge   = 10 * time.Minute
	DefaultLookback     = time.Minute
	DefaultHeartbeat    = 25 * time.Second
	DefaultSpread       = 3 * time.Second
	DefaultJoinWait     = 10 * time.Second
	DefaultQueueBytes   = 1 << 20
	DefaultReplayBytes  = 16 << 20
)

// ErrClosed is what Subscribe returns after Close, and the cause of a subscriber
// whose end was given none.
var ErrClosed = errors.New("closed")

// ErrUnavailable is what Join returns at the levels that have no $joined, where
// that would deny topics as unavailable.
var ErrUnavailable = errors.New("unavailable")

// Options of a Hub. The zero value is useful.
type Options struct {
	HistoryBytes int64         // memory for replay; default 64 MB
	HistoryAge   time.Duration // events are kept no longer; default 10 minutes
	Lookback     time.Duration // the most a join may look back; default 1 minute
	Heartbeat    time.Duration // a connection without a new cursor for so long gets a $ping; default 25 s
	Spread       time.Duration // clients refetch within it after a $resync; default 3 s
	JoinWait     time.Duration // a join waits no longer for the database; default 10 s
	QueueBytes   int64         // what may wait for one subscriber; default 1 MB
	ReplayBytes  int64         // the most that one join replays; default 16 MB

	// Refresh reads the log once, now, and returns when what it found was
	// published. Called for clients that come from an instance ahead of this
	// one, once for all who wait. nil: such a cursor is foreign.
	Refresh func(context.Context) error

	Logger *slog.Logger // default: none
}

// Hub fans events out to its subscribers and keeps the newest for replay.
// Its methods may be called by any goroutine.
type Hub struct {
	o     Options
	start time.Time

	mu          sync.RWMutex
	closed      bool
	epoch       string
	snapshot    snapshot.Snapshot // what was published in whole batches
	cursor      string            // both, as clients see them
	history     history
	ledger      ledger
	rooms       map[string]*room
	hidden      map[string]*room // those of hidden subscribers
	memberships int
	subscribers []*Subscriber
	subjects    map[string]map[*Subscriber]struct{} // those who have a subject
	backlog     backlog

	shards *shards

	polls    sync.Mutex
	nextPoll *poll         // the one that who asks now will wait for
	polling  chan struct{} // holds a token while Options.Refresh is called

	counters
}

// New returns an empty hub. Reset gives it its first cursor.
func New(o Options) *Hub {
	o.HistoryBytes = cmp.Or(o.HistoryBytes, DefaultHistoryBytes)
	o.HistoryAge = cmp.Or(o.HistoryAge, DefaultHistoryAge)
	o.Lookback = cmp.Or(o.Lookback, DefaultLookback)
	o.Heartbeat = cmp.Or(o.Heartbeat, DefaultHeartbeat)
	o.Spread = cmp.Or(o.Spread, DefaultSpread)
	o.JoinWait = cmp.Or(o.JoinWait, DefaultJoinWait)
	o.QueueBytes = cmp.Or(o.QueueBytes, DefaultQueueBytes)
	o.ReplayBytes = cmp.Or(o.ReplayBytes, DefaultReplayBytes)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	h := &Hub{
		o:        o,
		start:    time.Now(),
		rooms:    map[string]*room{},
		hidden:   map[string]*room{},
		subjects: map[string]map[*Subscriber]struct{}{},
		history:  history{limit: o.HistoryBytes, age: o.HistoryAge},
		ledger:   newLedger(),
		polling:  make(chan struct{}, 1),
		shards:   newShards(),
	}
	h.backlog = newBacklog(h.shards, min(h.o.QueueBytes/2, visitPieces*pieceBytes)) // no more than a visit writes
	h.history.reset(snapshot.Snapshot{}, 0)
	h.resyncs = map[Reason]uint64{}
	return h
}

// now is the hub's clock: monotonic.
func (h *Hub) now() time.Duration { return time.Since(h.start) }

// Reset is the beginning of an epoch.
type Reset struct {
	Epoch    string
	Snapshot snapshot.Snapshot // the first cursor
	Floor    snapshot.Snapshot // cursors that do not see all of it cannot be answered
	History  []Item            // in the order in which they are to be replayed
	Restart  bool              // subscribers exist that saw another epoch: each gets a $resync
}

// Reset begins an epoch. Everything published before is void, what still waits
// in queues too.
func (h *Hub) Reset(r Reset) {
	items, subscribers := h.reset(r)
	h.o.Logger.Info("epoch begins", "items", items, "told", subscribers)
}

// reset returns how many items the history holds, and how many subscribers are
// told to refetch.
func (h *Hub) reset(r Reset) (items, told int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := h.now()
	h.epoch, h.snapshot = r.Epoch, r.Snapshot
	h.cursor = snapshot.Cursor{Epoch: r.Epoch, Snapshot: r.Snapshot}.Encode()
	h.history.reset(r.Floor, now)
	h.ledger.void()
	for _, item := range r.History {
		if item.Access != nil {
			h.ledger.add(item.Access, item.Topics, now)
			continue
		}
		if item.Hidden {
			continue
		}
		// What was read at once would get one mark, and the first item dropped
		// expire every cursor. Cut at the highest xid so far it is as good.
		if !h.history.top.Visible(item.XID) {
			h.history.advance(r.Snapshot.Below(item.XID + 1))
		}
		h.history.add(item, h.cursor, now)
		h.history.evict(now)
	}
	h.history.advance(r.Snapshot)
	if !r.Restart {
		return len(h.history.entries), 0
	}
	e := h.history.add(Item{Topics: []string{"*"}, Reason: SourceGap}, h.cursor, now)
	for _, s := range h.subscribers {
		s.restart(e.seq)
	}
	h.deliver(e)
	h.backlog.handOver()
	for _, s := range h.subscribers {
		s.judgeAnew() // told first: it hears nothing afterwards
	}
	return len(h.history.entries), len(h.subscribers)
}

// Publish hands a piece of a batch to the members of its rooms. It waits for none of
// them, but for those who write to them, when it is far ahead: the source is to read
// no faster than that.
func (h *Hub) Publish(b Batch) {
	for i := range b.Items {
		if far := h.publish(b.Items[i], b.Snapshot); far {
			h.shards.wait()
		}
	}
	var few [fewWoken]*Subscriber
	h.shards.write(h.settle(b, few[:0]))
}

// settle moves the hub's cursor to the batch's end, and returns the few who were woken
// and not handed over, in few's memory.
func (h *Hub) settle(b Batch, few []*Subscriber) []*Subscriber {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.history.advance(b.Snapshot)
	if !b.Partial && h.snapshot.Within(b.Snapshot) {
		h.snapshot = b.Snapshot
		h.cursor = snapshot.Cursor{Epoch: h.epoch, Snapshot: b.Snapshot}.Encode()
	}
	return h.backlog.few(few)
}

// publish takes the lock for one item: a long batch in a large room keeps
// nobody waiting longer than that. It reports whether it is far ahead of those who write.
func (h *Hub) publish(item Item, s snapshot.Snapshot) (far bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if item.Access != nil {
		h.change(item)
		return false
	}
	if item.Hidden {
		h.whisper(item)
		return false
	}
	now := h.now()
	h.history.advance(s)
	e := h.history.add(item, h.cursor, now)
	h.published++
	before := h.delivered
	h.deliver(e)
	h.history.evict(now)
	return h.backlog.published(int(h.delivered-before), e.queued())
}

// deliver hands an entry to the members of its rooms.
func (h *Hub) deliver(e *entry) {
	for _, t := range e.Topics {
		if e.Reason == "" || !strings.Contains(t, "*") {
			h.deliverTo(h.rooms[t], e)
			continue
		}
		for topic, r := range h.rooms {
			if matches(t, topic) {
				h.deliverTo(r, e)
			}
		}
	}
}

// whisper hands a hidden item on.
func (h *Hub) whisper(item Item) {
	for _, t := range item.Topics {
		if r := h.hidden[t]; r != nil {
			for _, m := range r.members {
				m.sub.whisper(item)
			}
		}
	}
}

func (h *Hub) deliverTo(r *room, e *entry) {
	if r == nil {
		return
	}
	for _, m := range r.members {
		queued, woken := m.sub.push(e)
		if queued {
			h.delivered++
		}
		if woken {
			h.backlog.add(m.sub)
		}
	}
}

// Subscribe adds a subscriber. ErrClosed after Close.
func (h *Hub) Subscribe(o SubscriberOptions) (*Subscriber, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil, ErrClosed
	}
	s := &Subscriber{
		hub:     h,
		level:   o.Level,
		hidden:  o.Hidden,
		guarded: o.Guarded,
		known:   !o.Guarded,
		outlet:  o.Outlet,
		busy:    o.Outlet != nil,
		shard:   h.shards.next(),
		index:   len(h.subscribers),
		given:   h.now(),
	}
	if s.outlet == nil {
		s.wake = make(chan struct{}, 1)
	}
	if s.hidden {
		s.index = -1
		return s, nil
	}
	h.subscribers = append(h.subscribers, s)
	return s, nil
}

// remove takes a subscriber off the list, if it is on it.
func (h *Hub) remove(s *Subscriber) {
	if s.index < 0 {
		return
	}
	end := len(h.subscribers) - 1
	last := h.subscribers[end]
	h.subscribers[s.index], last.index = last, s.index
	h.subscribers[end] = nil
	h.subscribers = h.subscribers[:end]
	s.index = -1
	h.unlist(s)
}

// Close refuses new subscribers; those there are stay.
func (h *Hub) Close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
}

// Cursor resumes after all that was published in whole batches.
func (h *Hub) Cursor() string {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.cursor
}
