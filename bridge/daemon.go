package bridge

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"rowcast/migrations"
	"rowcast/pglisten"
	"rowcast/rooms"
	"rowcast/rooms/auth"
	"rowcast/rooms/sse"
	"rowcast/rooms/ws"
)

// The defaults of Options.
const (
	DefaultHTTPAddr        = "127.0.0.1:8080"
	DefaultReadyLag        = 30 * time.Second
	DefaultShutdownTimeout = 20 * time.Second
)

// connectTimeout is of the first connection; the source has its own.
const connectTimeout = 10 * time.Second

// Options of a Daemon. Only Source.URL is needed.
type Options struct {
	HTTPAddr  string // where /ws and /sse listen; DefaultHTTPAddr
	AdminAddr string // where /healthz, /readyz, /metrics and /debug/pprof listen; "": nowhere
	TLSCert   string // files; "": no TLS
	TLSKey    string

	Page http.Handler // answers what is neither /ws nor /sse; nil: 404

	Source   pglisten.Options // its Channels are those of Channels, its Watches our own
	Hub      rooms.Options    // its Refresh is the Source's
	Gate     auth.Options     // its Addr is HTTPAddr, its Hub our own; a Mode, where others can reach that
	WS       ws.Options       // its Schema is the Source's
	SSE      sse.Options
	Channels []Channel

	EventBytes        int // a larger event is truncated; DefaultEventBytes
	TransactionEvents int // a larger transaction is announced only; DefaultTransactionEvents

	ReadyLag        time.Duration // with the log read no further than this ago, not ready; DefaultReadyLag
	DrainDelay      time.Duration // not ready, but serving, before the shutdown begins; 0
	ShutdownTimeout time.Duration // all of the shutdown, DrainDelay included; DefaultShutdownTimeout

	// Ready is called once, when clients are served. public and admin are the
	// addresses in force; admin is nil without one.
	Ready  func(public, admin net.Addr)
	Logger *slog.Logger // nil: silent; also given to the parts that have none
}

// withDefaults fills what is left open.
func (o Options) withDefaults() Options {
	if o.HTTPAddr == "" {
		o.HTTPAddr = DefaultHTTPAddr
	}
	if o.ReadyLag == 0 {
		o.ReadyLag = DefaultReadyLag
	}
	if o.ShutdownTimeout == 0 {
		o.ShutdownTimeout = DefaultShutdownTimeout
	}
	if o.Ready == nil {
		o.Ready = func(_, _ net.Addr) {}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	for _, log := range []**slog.Logger{&o.Source.Logger, &o.Hub.Logger, &o.Gate.Logger, &o.WS.Logger, &o.SSE.Logger} {
		if *log == nil {
			*log = o.Logger
		}
	}
	return o
}

// Daemon is the whole road: one database's changes to its clients.
type Daemon struct {
	o   Options
	log *slog.Logger

	source *pglisten.Source
	schema schema
	hub    *rooms.Hub
	sink   *sink
	gate   *auth.Gate
	fault  error // that there is no gate: kept for Run
	ws     *ws.Handler
	sse    *sse.Handler

	serving atomic.Bool // between the end of the start and the begin of the shutdown
}

// New puts a Daemon together. It touches nothing outside the process.
func New(o Options) *Daemon {
	o = o.withDefaults()
	d := &Daemon{o: o, log: o.Logger}
	o.Source.Channels = nil
	for _, ch := range o.Channels {
		o.Source.Channels = append(o.Source.Channels, ch.Name)
	}
	o.Source.Watches = d.schema.of
	d.source = pglisten.New(o.Source)
	o.Hub.Refresh = d.source.Refresh
	d.hub = rooms.New(o.Hub)
	d.sink = newSink(d.hub, newTranslator(translatorOptions{
		EventBytes:        o.EventBytes,
		TransactionEvents: o.TransactionEvents,
		Channels:          o.Channels,
		Logger:            o.Logger,
	}))
	o.Gate.Addr, o.Gate.Hub = o.HTTPAddr, d.hub
	d.gate, d.fault = auth.New(o.Gate)
	o.WS.Schema = d.schema.hash
	d.ws = ws.New(d.hub, d.gate, o.WS)
	d.sse = sse.New(d.hub, d.gate, o.SSE)
	return d
}

// Run brings the daemon up, serves until ctx ends, and takes it down again
// within Options.ShutdownTimeout. It is called once. The error is what kept it
// from coming up, or what broke; nil after an orderly end.
func (d *Daemon) Run(ctx context.Context) error {
	s := newStack(d.log)
	err := d.up(ctx, s)
	if err == nil {
		select {
		case <-ctx.Done():
		case err = <-s.failed:
		}
		s.level = slog.LevelInfo // a start that failed has one line to say, and that is err
		d.log.Info("shutting down")
	}
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		err = nil // interrupted while coming up
	}
	patience, cancel := context.WithTimeout(context.WithoutCancel(ctx), d.o.ShutdownTimeout)
	defer cancel()
	return errors.Join(err, s.unwind(patience))
}

// up builds the road from its end: whatever arrives finds the next stretch
// already there. The stack undoes it in the direction of the road.
func (d *Daemon) up(ctx context.Context, s *stack) error {
	if d.fault != nil {
		return d.fault
	}
	admin, err := d.admin(ctx, s)
	if err != nil {
		return err
	}
	public, err := bind(ctx, "http.addr", d.o.HTTPAddr, d.mux(), d.log)
	if err != nil {
		return err
	}
	s.push("http", public.close)
	if d.o.Gate.Mode == "" && !loopback(public.listener.Addr()) {
		return fmt.Errorf("http.addr: others can reach %v, and auth.mode is not chosen", public.listener.Addr())
	}
	if err := d.check(ctx); err != nil {
		return err
	}

	s.start(ctx, "hub", d.hub.Run)
	s.push("sessions", d.endSessions)
	s.start(ctx, "source", func(ctx context.Context) error { return d.source.Run(ctx, d.sink) })
	select {
	case <-d.sink.began:
	case err := <-s.failed:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}

	s.push("new sockets", func(context.Context) error { d.hub.Close(); return nil })
	public.serve(s, d.o.TLSCert, d.o.TLSKey)
	s.push("readiness", d.drain)
	d.serving.Store(true)
	d.log.Info("ready", "http", address(public.listener.Addr()), "admin", address(admin))
	d.o.Ready(public.listener.Addr(), admin)
	return nil
}

// loopback reports whether only this machine can reach the address.
func loopback(a net.Addr) bool {
	tcp, ok := a.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}

func address(a net.Addr) string {
	if a == nil {
		return ""
	}
	return a.String()
}

// admin serves the operator's endpoints from now on: alive, and not ready.
func (d *Daemon) admin(ctx context.Context, s *stack) (net.Addr, error) {
	if d.o.AdminAddr == "" {
		return nil, nil
	}
	e, err := bind(ctx, "admin.addr", d.o.AdminAddr, newAdminMux(d.ready, d.metrics()), d.log)
	if err != nil {
		return nil, err
	}
	s.push("admin", e.close)
	e.serve(s, "", "")
	return e.listener.Addr(), nil
}

// check compares the database's schema with what this program knows.
func (d *Daemon) check(ctx context.Context) error {
	c := d.o.Source.Config
	if c == nil {
		parsed, err := pgx.ParseConfig(d.o.Source.URL)
		if err != nil {
			return fmt.Errorf("database.url: %w", err)
		}
		c = parsed
	}
	c = c.Copy()
	c.ConnectTimeout = cmp.Or(c.ConnectTimeout, connectTimeout)
	c.DefaultQueryExecMode = pgx.QueryExecModeExec // also where a pooler gives each statement another session
	conn, err := pgx.ConnectConfig(ctx, c)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }() // nothing is lost with it
	return migrations.Check(ctx, conn)
}

// mux is what clients see.
func (d *Daemon) mux() *http.ServeMux {
	mux := http.NewServeMux()
	mux.Handle("/ws", d.ws)
	mux.Handle("/sse", d.sse)
	if d.o.Page != nil {
		mux.Handle("/", d.o.Page)
	}
	return mux
}

// ready says why this instance should get no clients; nil: it should.
func (d *Daemon) ready() error {
	f := d.source.Stats()
	late := time.Since(f.LastPoll)
	if f.LastPoll.IsZero() { // what the history was loaded from is not called a poll
		late = 0
	}
	switch {
	case !d.serving.Load():
		return errors.New("not serving")
	case !f.Connected:
		return errors.New("not connected to the database")
	case late > d.o.ReadyLag+d.o.Source.PollInterval:
		return fmt.Errorf("the log was last read %v ago", late.Round(time.Second))
	}
	return nil
}

// drain gives a load balancer time to see that this instance is going.
func (d *Daemon) drain(ctx context.Context) error {
	d.serving.Store(false)
	if d.o.DrainDelay <= 0 {
		return nil
	}
	t := time.NewTimer(d.o.DrainDelay)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// endSessions tells both dialects' clients to come back, elsewhere or later, at
// the same time.
func (d *Daemon) endSessions(ctx context.Context) error {
	var g errgroup.Group
	g.Go(func() error { return d.ws.Shutdown(ctx) })
	g.Go(func() error { return d.sse.Shutdown(ctx) })
	return g.Wait()
}
