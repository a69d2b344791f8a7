package bridge

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
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
	DefaultHTTPAddr         = "127.0.0.1:8080"
	DefaultHandshakeTimeout = 10 * time.Second
	DefaultHeaderBytes      = 64 << 10 // a hundred topic names of 200 bytes, percent-encoded, or a token and a few
	DefaultReadyLag         = 30 * time.Second
	DefaultShutdownTimeout  = 20 * time.Second
)

// connectTimeout is of the first connection; the source has its own.
const connectTimeout = 10 * time.Second

// gateGrace is how much longer than the functions' own time the gate waits for
// them: they know better when to give up.
const gateGrace = 2 * time.Second

// Options of a Daemon. Only Source.URL is needed.
type Options struct {
	HTTPAddr  string // where /ws and /sse listen, host:port or unix:/path; DefaultHTTPAddr
	AdminAddr string // where /healthz, /readyz, /metrics and /debug/pprof listen; "": nowhere
	TLSCert   string // files, read again when they change; "": no TLS
	TLSKey    string

	HandshakeTimeout time.Duration // until a request's header is complete; DefaultHandshakeTimeout
	HeaderBytes      int           // the largest header; DefaultHeaderBytes

	Page http.Handler // answers what is neither /ws nor /sse; nil: 404

	Source   pglisten.Options // its Channels are those of Channels, its Watches and Canary our own
	Hub      rooms.Options    // its Refresh is the Source's
	Gate     auth.Options     // its Addr is HTTPAddr, its Hub and Database our own; a Mode, where others can reach that
	WS       ws.Options       // its Schema is the Source's
	SSE      sse.Options
	Channels []Channel

	// Functions are the application's that the gate asks, if one is named; the
	// database is the Source's.
	Functions pglisten.FunctionsOptions

	EventBytes        int // a larger event is truncated; DefaultEventBytes
	TransactionEvents int // a larger transaction is announced only; DefaultTransactionEvents

	ReadyLag        time.Duration // with the log read no further than this ago, or a canary later than this, not ready; DefaultReadyLag
	DrainDelay      time.Duration // not ready, but serving, before the shutdown begins; 0
	ShutdownTimeout time.Duration // all of the shutdown, DrainDelay included; DefaultShutdownTimeout

	// Ready is called once, when clients are served. public and admin are the
	// addresses in force; admin is nil without one.
	Ready  func(public, admin net.Addr)
	Logger *slog.Logger // nil: silent; also given to the parts that have none
}

// withDefaults fills what is left open.
func (o Options) withDefaults() Options {
	o.HTTPAddr = cmp.Or(o.HTTPAddr, DefaultHTTPAddr)
	o.HandshakeTimeout = cmp.Or(o.HandshakeTimeout, DefaultHandshakeTimeout)
	o.HeaderBytes = cmp.Or(o.HeaderBytes, DefaultHeaderBytes)
	o.Source.Inspect = cmp.Or(o.Source.Inspect, pglisten.DefaultInspect)
	o.ReadyLag = cmp.Or(o.ReadyLag, DefaultReadyLag)
	o.ShutdownTimeout = cmp.Or(o.ShutdownTimeout, DefaultShutdownTimeout)
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

	source    *pglisten.Source
	schema    schema
	hub       *rooms.Hub
	sink      *sink
	canary    *canary
	functions *pglisten.Functions // nil: the gate asks none
	gate      *auth.Gate
	ws        *ws.Handler
	sse       *sse.Handler

	serving atomic.Bool // between the end of the start and the begin of the shutdown
}

// New puts a Daemon together. It touches nothing outside the process but a file
// with a key. The error is about a setting of the gate's.
func New(o Options) (*Daemon, error) {
	o = o.withDefaults()
	d := &Daemon{o: o, log: o.Logger}
	o.Source.Channels = nil
	for _, ch := range o.Channels {
		o.Source.Channels = append(o.Source.Channels, ch.Name)
	}
	o.Source.Watches = d.schema.of
	o.Source.Canary = newInstance()
	d.source = pglisten.New(o.Source)
	o.Hub.Refresh = d.source.Refresh
	d.hub = rooms.New(o.Hub)
	d.canary = newCanary(o.Source, d.source, d.hub)
	d.sink = newSink(d.hub, newTranslator(translatorOptions{
		EventBytes:        o.EventBytes,
		TransactionEvents: o.TransactionEvents,
		Channels:          o.Channels,
		Logger:            o.Logger,
	}))
	if err := d.newGate(); err != nil {
		return nil, err
	}
	o.WS.Schema = d.schema.hash
	d.ws = ws.New(d.hub, d.gate, o.WS)
	d.sse = sse.New(d.hub, d.gate, o.SSE)
	return d, nil
}

// newGate makes the gate, and the functions that it asks.
func (d *Daemon) newGate() (err error) {
	o, f := d.o.Gate, d.o.Functions
	o.Addr, o.Hub, o.Database = d.o.HTTPAddr, d.hub, nil
	if strings.HasPrefix(o.Addr, unixPrefix) {
		o.Addr = "localhost" // which is as near
	}
	if f.Authenticate != "" || f.Authorize != "" {
		f.URL, f.Config = d.o.Source.URL, d.o.Source.Config
		if d.functions, err = pglisten.NewFunctions(f); err != nil {
			return err
		}
		o.Database, o.Authorize = d.functions, f.Authorize != ""
		o.Queries = cmp.Or(f.Connections, pglisten.DefaultFunctionConnections)
		o.Timeout = cmp.Or(f.Timeout, pglisten.DefaultFunctionTimeout) + gateGrace
	}
	d.gate, err = auth.New(o)
	return err
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
	certificate, err := d.certificate()
	if err != nil {
		return err
	}
	admin, err := d.admin(ctx, s)
	if err != nil {
		return err
	}
	public, err := bind(ctx, "http.addr", d.o.HTTPAddr, d.mux(), d.limits(), d.log)
	if err != nil {
		return err
	}
	s.push("http", public.close)
	if d.o.Gate.Mode == "" && !loopback(public.listener.Addr()) {
		return fmt.Errorf("http.addr: others can reach %v, and auth.mode is not chosen "+
			"(listen on 127.0.0.1, or set auth.mode to jwt or sql, or to none to let everybody read everything)", public.listener.Addr())
	}
	if err := d.check(ctx); err != nil {
		return err
	}
	if d.functions != nil {
		s.start(ctx, "functions", d.functions.Run)
		if err := s.await(ctx, d.functions.Ready()); err != nil {
			return err
		}
	}

	s.start(ctx, "hub", d.hub.Run)
	s.start(ctx, "gate", d.gate.Run)
	s.push("sessions", d.endSessions)
	s.start(ctx, "source", func(ctx context.Context) error { return d.source.Run(ctx, d.sink) })
	if err := s.await(ctx, d.sink.began); err != nil {
		return err
	}
	s.start(ctx, "canary", d.canary.Run)

	s.push("new sockets", func(context.Context) error { d.hub.Close(); return nil })
	public.serve(s, certificate)
	s.push("readiness", d.drain)
	d.serving.Store(true)
	d.log.Info("ready", "http", address(public.listener.Addr()), "admin", address(admin))
	d.o.Ready(public.listener.Addr(), admin)
	return nil
}

// certificate reads the certificate, if there is one.
func (d *Daemon) certificate() (*certificate, error) {
	if d.o.TLSCert == "" {
		return nil, nil
	}
	return newCertificate(d.o.TLSCert, d.o.TLSKey, d.log)
}

func (d *Daemon) limits() limits {
	return limits{header: d.o.HandshakeTimeout, bytes: d.o.HeaderBytes, stall: max(d.o.WS.WriteTimeout, d.o.SSE.WriteTimeout)}
}

// admin serves the operator's endpoints from now on: alive, and not ready.
func (d *Daemon) admin(ctx context.Context, s *stack) (net.Addr, error) {
	if d.o.AdminAddr == "" {
		return nil, nil
	}
	e, err := bind(ctx, "admin.addr", d.o.AdminAddr, newAdminMux(d.ready, d.metrics()), d.limits(), d.log)
	if err != nil {
		return nil, err
	}
	s.push("admin", e.close)
	e.serve(s, nil)
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
	mux.Handle("/ws", bodiless(d.ws))
	mux.Handle("/sse", bodiless(d.sse))
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
	case d.canary.overdue() > d.o.ReadyLag+d.o.Source.PollInterval:
		return d.canary.diagnose(f.Canary)
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
