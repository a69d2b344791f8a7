package pglisten

import "time"

// tempo holds a source's times.
type tempo struct {
	wakeups int           // this many wake-ups …
	within  time.Duration // … within this time are fast: promise
	promise time.Duration // how far ahead a promise is
	renew   time.Duration // how often it is renewed
	step    time.Duration // between two polls while promising
	quiet   int           // polls in a row that found nothing: lie down
	settle  time.Duration // the longest step while settling
	relay   time.Duration // the shortest time between two relays
	age     time.Duration // an older doorbell is set to now again
	inspect time.Duration // between two looks at the watched tables

	standstill time.Duration // of a reading: the connection is lost
}

func defaultTempo() tempo {
	return tempo{
		wakeups: 4, within: 50 * time.Millisecond,
		promise: 500 * time.Millisecond, renew: 250 * time.Millisecond,
		step: 5 * time.Millisecond, quiet: 6, settle: 100 * time.Millisecond,
		relay: 15 * time.Millisecond, age: 30 * time.Second,
		inspect: DefaultInspect, standstill: 10 * time.Second,
	}
}

// maxPromise is how far ahead writers believe a doorbell.
const maxPromise = 1000 // ms

// bellState is where the bell stands; doc.go draws it.
type bellState byte

const (
	settling bellState = iota
	asleep
	awake
	polling // mode Poll: the doorbell is negative, nobody rings
)

func (s bellState) String() string {
	return [...]string{"settling", "asleep", "awake", "polling"}[s]
}

// order is what the bell wants done in the database.
type order struct {
	set    setting // write the doorbell
	relay  bool    // notify the other instances
	settle bool    // then, in a later statement, take the barrier's xid
}

type setting byte

const (
	leaveIt setting = iota
	setNow          // "asleep since now: ring"
	setPromise
)

// sight is what one poll saw.
type sight struct {
	rings    int    // notifications by writers before it
	found    int    // log rows
	doorbell int64  // ms
	clock    int64  // ms, the server's
	turn     int64  // of the log
	xmin     uint64 // of the new cursor
}

// bell decides when to poll and what to tell the writers. It knows no
// connection and no clock; every connection begins with a new one.
type bell struct {
	tempo
	backstop time.Duration

	state    bellState
	rings    []time.Time   // the last ones, at most tempo.wakeups
	barrier  uint64        // settling ends when everything below is visible
	seenTurn int64         // the log's turn as seen last
	turn     int64         // as seen before the barrier: who comes after it writes to this one or a later
	pace     time.Duration // between two polls while settling
	empty    int           // polls in a row that found nothing
	mine     int64         // the value this instance wrote last
	promised time.Time
	silenced bool // writers may have seen our promise: others depend on us
	owes     bool // a relay
	relayed  time.Time
	followed bool      // another's promise was seen since our last barrier
	until    time.Time // when it ends, zero if there is none now
}

// after takes what a poll saw and says what to do.
func (b *bell) after(now time.Time, s sight) order {
	if b.state == polling {
		if s.doorbell >= 0 || b.old(s) {
			return order{set: setNow}
		}
		return order{}
	}
	b.listen(now, s)
	switch b.state {
	case awake:
		return b.afterAwake(now)
	case settling:
		return b.afterSettling(now, s)
	}
	return b.afterAsleep(now, s)
}

func (b *bell) afterAwake(now time.Time) order {
	switch {
	case b.empty >= b.quiet:
		return order{set: setNow, relay: b.owes, settle: true}
	case now.Sub(b.promised) >= b.renew:
		// Told in any case: where another has set the doorbell back meanwhile, it
		// does not know of this promise, and would not look if we died.
		return order{set: setPromise, relay: true}
	}
	return order{relay: b.relayDue(now)}
}

func (b *bell) afterSettling(now time.Time, s sight) order {
	switch {
	case b.fast(now):
		return order{set: setPromise, relay: true}
	case s.xmin < b.barrier:
		b.pace = min(b.pace*3/2, b.settle)
		o := order{relay: b.relayDue(now)}
		if b.old(s) {
			o.set = setNow
		}
		return o
	}
	b.state, b.silenced = asleep, false
	o := b.afterAsleep(now, s)
	o.relay = b.owes
	return o
}

func (b *bell) afterAsleep(now time.Time, s sight) order {
	switch {
	case b.fast(now):
		return order{set: setPromise, relay: true}
	case b.followed && b.until.IsZero():
		// Another's promise is over. Writers that saw it do not ring, and who
		// made it may be dead: wait for them ourselves.
		return order{settle: true}
	case b.turn != b.seenTurn: // find out anew where to look
		return order{settle: true}
	case b.old(s):
		return order{set: setNow}
	}
	return order{}
}

// listen notes what a poll tells about writers and other instances.
func (b *bell) listen(now time.Time, s sight) {
	for range min(s.rings, b.wakeups) {
		b.rings = append(b.rings, now)
	}
	b.rings = b.rings[max(0, len(b.rings)-b.wakeups):]
	b.empty++
	if s.found > 0 {
		b.empty = 0
		b.owes = b.owes || b.silenced
	}
	b.seenTurn = s.turn
	ahead := s.doorbell - s.clock
	b.until = time.Time{}
	if s.doorbell != b.mine && ahead > 0 && ahead <= maxPromise {
		b.followed = true
		b.until = now.Add(time.Duration(ahead+1) * time.Millisecond)
	}
}

// old reports whether the doorbell was written so long ago that it must be
// written again, lest writers take us for gone.
func (b *bell) old(s sight) bool {
	return s.clock-max(s.doorbell, -s.doorbell) > b.age.Milliseconds()
}

// fast reports whether wake-ups come so fast that a promise pays.
func (b *bell) fast(now time.Time) bool {
	return len(b.rings) == b.wakeups && now.Sub(b.rings[0]) <= b.within
}

func (b *bell) relayDue(now time.Time) bool {
	return b.owes && now.Sub(b.relayed) >= b.relay
}

// done records that an order was carried out: value is what the doorbell was
// set to, xid the barrier's.
func (b *bell) done(now time.Time, o order, value int64, xid uint64) {
	if o.set != leaveIt {
		b.mine = value
	}
	if o.relay {
		b.relayed, b.owes = now, false
	}
	if o.set == setPromise {
		if b.state != awake {
			b.state, b.empty, b.rings = awake, 0, nil
		}
		b.promised, b.silenced = now, true
	}
	if o.settle {
		b.state, b.barrier, b.turn, b.pace = settling, xid, b.seenTurn, b.step
		b.followed = !b.until.IsZero()
	}
}

// next is when to poll again if nothing wakes the reader before.
func (b *bell) next(now time.Time) time.Time {
	switch b.state {
	case polling:
		return now.Add(b.backstop)
	case awake:
		return now.Add(b.step)
	case settling:
		return now.Add(b.pace)
	}
	at := now.Add(min(b.backstop, b.age))
	if !b.until.IsZero() && b.until.Before(at) {
		at = b.until
	}
	return at
}

// turnAfter returns the turn of the log in which all that a cursor does not see
// was written, if a reading finds it to be the turn still; -1 if it may be
// several. xmin is the cursor's: it sees all transactions below.
//
//  1. This reader saw the turn, and in a later statement took the barrier's xid.
//  2. A writer takes its xid, then its rows' ids, which have the turn. Turns only
//     go forward. So a writer with an xid from the barrier on writes to this turn
//     or a later one.
//  3. If the cursor sees all below the barrier, only such writers are left to read.
//     (Its xmax would not do: transactions above it may be older than the barrier.)
//  4. What a reading sees was committed before its snapshot, and it looks at the
//     turn after that: if it is this one still, nobody has written to a later one.
//
// Nor can any of it have been rotated away: the slot whose turn it is never is.
func (b *bell) turnAfter(xmin uint64) int64 {
	if b.barrier == 0 || xmin < b.barrier || b.turn != b.seenTurn {
		return -1
	}
	return b.turn
}

// wakes reports whether a notification is a reason to poll before next: while
// awake the next poll is near enough.
func (b *bell) wakes() bool { return b.state != awake }
