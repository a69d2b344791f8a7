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
	DefaultWriteTimeout = 10 * time.Second
	DefaultRetry        = 3 * time.Second
	DefaultSpread       = 5 * time.Second
)

// Options of a Handler. The zero value is useful.
type Options struct {
	WriteTimeout time.Duration // a client that takes nothing for so long is cut off; default 10 s
	Retry        time.Duration // clients come back after about so long; default 3 s
	Spread       time.Duration // clients come back within it after Shutdown; default 5 s
	Logger       *slog.Logger  // default: none
}

var (
	errDrain = errors.New("shutting down") // ends a stream whose client is to come back
	errGone  = errors.New("client is gone")

	draining = &auth.Refusal{Code: rooms.Unavailable, Message: "shutting down"}
	away     = &auth.Refusal{Code: rooms.Unavailable, Message: "the database cannot be asked now"}
)

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
	if refused := h.gate.Check(r); refused != nil {
		refuse(w, http.StatusForbidden, refused)
		return
	}
	if origin := r.Header.Get("Origin"); origin != "" {
		w.Header().Set("Access-Control-Allow-Origin", origin)
	}
	if r.Method != http.MethodGet {
		w.Header().Set("Allow", http.MethodGet)
		http.Error(w, "GET only", http.StatusMethodNotAllowed)
		return
	}
	wishes, refused := auth.ParseWishes(r.URL.RawQuery)
	if refused != nil {
		refuse(w, http.StatusBadRequest, refused)
		return
	}
	verdict := h.gate.Judge(r.Context(), h.gate.Anonymous(), wishes.Topics, nil)
	if refused := verdict.Refusal(wishes.Topics); refused != nil {
		refuse(w, http.StatusBadRequest, refused)
		return
	}
	if last := r.Header.Get("Last-Event-ID"); last != "" {
		wishes.Since = &last // from a browser that comes back: newer than the URL's
	}
	h.stream(w, r, rooms.JoinRequest{Topics: verdict.Topics, Since: wishes.Since})
}

// stream joins, and then writes until the client leaves or is sent away.
func (h *Handler) stream(w http.ResponseWriter, r *http.Request, join rooms.JoinRequest) {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	joining, hurry := context.WithCancel(ctx)
	defer hurry()
	s := &stream{out: newOutput(w, h.o.WriteTimeout), hurry: hurry, cancel: cancel}
	if refused := h.begin(s, r); refused != nil {
		h.later(s.out, refused)
		return
	}
	defer h.end(s)

	first := ""
	if join.Since == nil {
		// From before the join: a client that is cut off before its first event
		// must not come back without a cursor.
		first = h.hub.Cursor()
	}
	switch err := s.sub.Join(joining, join); {
	case errors.Is(err, rooms.ErrUnavailable):
		h.later(s.out, away)
	case err != nil && errors.Is(s.sub.Err(), errDrain):
		h.later(s.out, draining)
	case err == nil:
		head(w)
		err = s.run(ctx, block(jitter(h.o.Retry), only(first)))
		if errors.Is(err, errDrain) {
			err = s.out.write(block(rand.N(h.o.Spread), only("")))
		}
		h.o.Logger.Debug("stream ended", "err", err)
	}
}

// refuse answers for good: an EventSource does not come back.
func refuse(w http.ResponseWriter, status int, why *auth.Refusal) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(rooms.ErrorFrame(nil, why.Code, why.Message), '\n'))
}

// later answers a client that is to come back: any status but 200 would end its
// EventSource.
func (h *Handler) later(out *output, why *auth.Refusal) {
	after := jitter(h.o.Retry)
	if why == draining {
		after = rand.N(h.o.Spread)
	}
	head(out.w)
	f := rooms.Frame{Kind: rooms.Control, Data: rooms.ErrorFrame(nil, why.Code, why.Message)}
	_ = out.write(block(after, f))
}

// head sends the head of an event stream.
func head(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Accel-Buffering", "no") // nginx would hold events back
	w.WriteHeader(http.StatusOK)
}

// jitter spreads clients that would all come back at once: from half of d to
// one and a half.
func jitter(d time.Duration) time.Duration { return d/2 + rand.N(d) }

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
	sub, err := h.hub.Subscribe(rooms.SubscriberOptions{Level: rooms.Stream})
	if err != nil { // the hub is closed
		leave()
		return draining
	}
	s.sub, s.leave = sub, leave
	h.running.Add(1)
	h.streams[s] = struct{}{}
	return nil
}

// end gives the stream's place back and counts it out: last, for Shutdown waits
// for it.
func (h *Handler) end(s *stream) {
	s.sub.Close(errGone)
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
