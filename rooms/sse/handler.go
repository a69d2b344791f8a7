package sse

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"rowcast/rooms"
	"rowcast/rooms/auth"
)

// Defaults of Options.
const (
	DefaultWriteTimeout     = 10 * time.Second
	DefaultHandshakeTimeout = 10 * time.Second
	DefaultRetry            = 3 * time.Second
	DefaultSpread           = 5 * time.Second
)

// Options of a Handler. The zero value is useful.
type Options struct {
	WriteTimeout     time.Duration // a client that takes nothing for so long is cut off; default 10 s
	HandshakeTimeout time.Duration // to find out who a client is and join its topics; default 10 s
	Retry            time.Duration // clients come back after about so long; default 3 s
	Spread           time.Duration // clients that are sent away all at once come back within it; default 5 s
	Logger           *slog.Logger  // default: none
}

// Handler is the endpoint of server-sent events.
type Handler struct {
	hub  *rooms.Hub
	gate *auth.Gate
	o    Options

	running sync.WaitGroup // one for each stream

	mu      sync.Mutex // guards what follows
	down    bool       // Shutdown was called: nobody begins
	streams map[*stream]struct{}
}

// New returns a Handler.
func New(hub *rooms.Hub, gate *auth.Gate, o Options) *Handler {
	if o.WriteTimeout <= 0 {
		o.WriteTimeout = DefaultWriteTimeout
	}
	if o.HandshakeTimeout <= 0 {
		o.HandshakeTimeout = DefaultHandshakeTimeout
	}
	if o.Retry <= 0 {
		o.Retry = DefaultRetry
	}
	if o.Spread <= 0 {
		o.Spread = DefaultSpread
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Handler{hub: hub, gate: gate, o: o, streams: map[*stream]struct{}{}}
}

// Streams returns how many clients are listening.
func (h *Handler) Streams() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.streams)
}

// ServeHTTP streams the events of the topics in the URL. They are joined before
// the 200 is sent: who has seen it misses nothing that is committed from then on.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Add("Vary", "Origin")
	out := newOutput(w, h.o.WriteTimeout)
	if refused := h.gate.Check(r); refused != nil {
		h.refuse(out, refused)
		return
	}
	if cors(w, r, h.gate) {
		return
	}
	wishes, refused := auth.ParseWishes(r.URL.RawQuery)
	if refused != nil {
		h.refuse(out, refused)
		return
	}
	if last := r.Header.Get("Last-Event-ID"); last != "" {
		wishes.Since = &last // from a browser that comes back: newer than the URL's
	}
	h.stream(out, r, wishes)
}

// stream lets the client in, and then writes until it leaves or is sent away.
func (h *Handler) stream(out *output, r *http.Request, wishes auth.Wishes) {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	arriving, hurry := context.WithTimeout(ctx, h.o.HandshakeTimeout)
	defer hurry()
	s := &stream{out: out, hurry: hurry, cancel: cancel}
	if refused := h.begin(s, r); refused != nil {
		h.refuse(out, refused)
		return
	}
	defer h.end(s)

	first := ""
	if wishes.Since == nil {
		// From before the join: a client that is cut off before its first event
		// must not come back without a cursor.
		first = h.hub.Cursor()
	}
	refused := h.arrive(arriving, s, r, wishes)
	if ended := s.sub.Err(); ended != nil {
		refused = endings[ended] // somebody was faster
	}
	if refused != nil {
		h.refuse(out, refused)
		return
	}
	head(out.w)
	err := s.run(ctx, block(jitter(h.o.Retry), only(first)))
	if errors.Is(err, errDrain) || errors.Is(err, rooms.ErrUncertain) {
		err = out.write(block(rand.N(h.o.Spread), only("")))
	}
	h.o.Logger.Debug("stream ended", "err", err)
}

// arrive finds out who the client is and joins the topics, all or none, or says
// why not.
func (h *Handler) arrive(ctx context.Context, s *stream, r *http.Request, wishes auth.Wishes) *auth.Refusal {
	id, refused := h.gate.Identify(ctx, r)
	if refused != nil {
		return refused
	}
	if id == nil {
		return h.gate.Unidentified("auth.mode")
	}
	s.sub.Identify(id.Subject)
	s.lease.Renew(id.Expires)
	verdict := h.gate.Judge(ctx, id, wishes.Topics, nil)
	if refused := verdict.Refusal(wishes.Topics); refused != nil {
		return refused
	}
	err := s.sub.Join(ctx, rooms.JoinRequest{Topics: verdict.Topics, Since: wishes.Since, Mark: verdict.Mark})
	if err != nil {
		return away
	}
	return nil
}

// begin gives the stream its place and counts it in, or says why not now.
func (h *Handler) begin(s *stream, r *http.Request) *auth.Refusal {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.down {
		return draining
	}
	leave, refused := h.gate.Enter(r)
	if refused != nil {
		return refused
	}
	sub, err := h.hub.Subscribe(rooms.SubscriberOptions{Level: rooms.Stream, Guarded: !h.gate.Open()})
	if err != nil { // the hub is closed
		leave()
		return draining
	}
	s.sub, s.leave, s.lease = sub, leave, auth.NewLease(nil, s.expire)
	h.running.Add(1)
	h.streams[s] = struct{}{}
	return nil
}

// end gives the stream's place back and counts it out: last, for Shutdown waits
// for it.
func (h *Handler) end(s *stream) {
	s.sub.Close(errGone)
	s.lease.Stop()
	s.leave()
	h.mu.Lock()
	delete(h.streams, s)
	h.mu.Unlock()
	h.running.Done()
}

// Shutdown refuses new streams, lets those there are end after what waits for
// them, and waits for the last. When ctx ends, what is left is cut off, and
// Shutdown returns the cause.
func (h *Handler) Shutdown(ctx context.Context) error {
	h.mu.Lock()
	h.down = true
	for s := range h.streams {
		s.sub.Finish(nil, errDrain)
		s.hurry()
	}
	h.mu.Unlock()

	stop := context.AfterFunc(ctx, h.cut)
	h.running.Wait()
	if stop() {
		return nil // in time
	}
	return context.Cause(ctx)
}

// cut ends what is left.
func (h *Handler) cut() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for s := range h.streams {
		s.cancel()
		s.out.cut()
	}
}
