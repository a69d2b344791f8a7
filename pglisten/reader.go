package pglisten

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"rowcast/internal/snapshot"
)

// errGap: rotation emptied rows this reader has not read.
var errGap = errors.New("unread rows were rotated away")

// errAbandoned: the doorbell became too old while we were connected.
var errAbandoned = errors.New("writers stopped logging: nobody had looked for as long as the log is kept")

// reader is the goroutine of Run and everything it owns. The upper half
// outlives a connection.
type reader struct {
	s    *Source
	sink Sink

	began     bool              // sink has taken the first Reset
	epoch     string            // of cursor
	since     time.Time         // when the epoch was learned
	cursor    snapshot.Snapshot // everything visible in it has been taken
	breaks    []handed          // of the batch after cursor, if it broke
	piece     piece
	catalogue *catalogue
	reported  map[int32]string // the faults sink was told of, by watch
	stale     map[name]bool    // what the catalogue did not know even after loading it anew
	failures  int              // in a row, since sink was last up to date

	conn  *pgx.Conn
	inbox inbox
	bell  bell
}

func newReader(s *Source, sink Sink) *reader {
	return &reader{s: s, sink: sink, reported: map[int32]string{}}
}

// inbox collects notifications; the connection fills it while it is read.
type inbox struct {
	rings   int  // by writers
	relays  bool // by other instances
	notices []Notification
}

// session works one connection until it fails or ctx is done. begun is called
// whenever sink is up to date.
func (r *reader) session(ctx context.Context, begun func()) error {
	if err := r.connect(ctx); err != nil {
		return err
	}
	defer r.disconnect(ctx)
	if err := r.begin(ctx); err != nil {
		return err
	}
	for ctx.Err() == nil {
		if err := r.turn(ctx); err != nil {
			return err
		}
		r.failures = 0
		begun()
		if err := r.wait(ctx, r.bell.next(time.Now())); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// turn is one round of the loop: mail, poll, and then, the news delivered, the
// doorbell.
func (r *reader) turn(ctx context.Context) error {
	rings := r.inbox.rings
	r.inbox.rings, r.inbox.relays = 0, false
	askers, fresh := r.s.mail.collect()
	if err := r.notify(ctx); err != nil {
		r.s.mail.giveBack(askers)
		return err
	}
	h, found, err := r.read(ctx)
	if errors.Is(err, errGap) {
		r.s.log.Error("log rows were rotated away before they were read: every client refetches")
		r.s.stats.gap()
		err = r.load(ctx, r.epoch)
	}
	if err != nil {
		r.s.mail.giveBack(askers)
		return err
	}
	answer(askers, nil)
	r.s.stats.polled(rings)
	if h.abandoned() {
		return errAbandoned // this process stood still, or the server's clock leapt
	}
	if fresh != nil {
		if err := r.adopt(ctx, fresh); err != nil {
			return err
		}
	}
	if h.clock == 0 {
		return nil // the doorbell was not seen this time
	}
	return r.obey(ctx, r.bell.after(time.Now(), sight{
		rings: rings, found: found, doorbell: h.doorbell, clock: h.clock, turn: h.turn, xmin: r.cursor.Xmin(),
	}))
}

// notify hands on what came on other channels.
func (r *reader) notify(ctx context.Context) error {
	for _, n := range r.inbox.notices {
		if err := r.sink.Notified(context.WithoutCancel(ctx), n); err != nil {
			return &sinkError{err}
		}
	}
	r.inbox.notices = nil
	return nil
}

// obey carries out what the bell wants.
func (r *reader) obey(ctx context.Context, o order) error {
	ctx, cancel := context.WithTimeout(ctx, statementTimeout)
	defer cancel()
	var value int64
	var xid uint64
	var err error
	switch {
	case o.set != leaveIt:
		err = r.conn.QueryRow(ctx, setDoorbell, r.doorbellAhead(o.set), r.doorbellSign(), o.relay).Scan(&value, nil)
	case o.relay:
		_, err = r.conn.Exec(ctx, relay)
	}
	if err != nil {
		return fmt.Errorf("set doorbell: %w", err)
	}
	if o.settle {
		// A later statement, always: a writer that read the doorbell before it
		// was set owned its xid before that, so it is below this one.
		if err := r.conn.QueryRow(ctx, "SELECT pg_current_xact_id()").Scan(&xid); err != nil {
			return fmt.Errorf("take barrier: %w", err)
		}
	}
	r.bell.done(time.Now(), o, value, xid)
	r.s.stats.obeyed(o, r.bell.state)
	return nil
}

const (
	setDoorbell = `SELECT setval('rowcast.doorbell', $2::bigint * ((extract(epoch FROM clock_timestamp()) * 1000)::bigint + $1)),
       CASE WHEN $3::boolean THEN pg_notify('rowcast', 'relay') END`
	relay = `SELECT pg_notify('rowcast', 'relay')`
)

func (r *reader) doorbellAhead(s setting) int64 {
	if s == setPromise {
		return r.bell.promise.Milliseconds()
	}
	return 0
}

// doorbellSign: a negative doorbell is never rung.
func (r *reader) doorbellSign() int64 {
	if r.s.o.Mode == Poll {
		return -1
	}
	return 1
}

// wait returns at the given time, at a notification that wakes, when mail
// comes, or when ctx is done.
func (r *reader) wait(ctx context.Context, until time.Time) error {
	ctx, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	for !r.woken() {
		if !r.s.mail.waiting(cancel) {
			return nil
		}
		if r.s.o.Mode == Poll {
			<-ctx.Done()
			return nil
		}
		// A wait that ends by its deadline leaves the connection as it was.
		err := r.conn.PgConn().WaitForNotification(ctx)
		if err != nil && (ctx.Err() == nil || r.conn.IsClosed()) {
			return fmt.Errorf("wait for notification: %w", err)
		}
		if ctx.Err() != nil {
			return nil
		}
	}
	return nil
}

func (r *reader) woken() bool {
	return len(r.inbox.notices) > 0 || r.bell.wakes() && (r.inbox.rings > 0 || r.inbox.relays)
}

// heard is the connection's handler of notifications.
func (r *reader) heard(conn *pgconn.PgConn, n *pgconn.Notification) {
	switch {
	case n.Channel != "rowcast":
		r.inbox.notices = append(r.inbox.notices, Notification{Channel: n.Channel, Payload: n.Payload})
	case n.PID == conn.PID(): // our own relay
	case n.Payload == "relay":
		r.inbox.relays = true
	default:
		r.inbox.rings++
	}
}

func (r *reader) disconnect(ctx context.Context) {
	hangUp(ctx, r.conn)
	r.conn = nil
	r.inbox = inbox{}
}
