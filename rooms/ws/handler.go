package ws

import (
	"bytes"
	"context"
	"log/slog"
	randv2 "math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"

	"rowcast/rooms"
	"rowcast/rooms/auth"
)

// Defaults of Options.
const (
	DefaultWriteTimeout     = 10 * time.Second
	DefaultHandshakeTimeout = 10 * time.Second
	DefaultSpread           = 5 * time.Second
	DefaultFramesPerSecond  = 100
)

// The subprotocols. Without one a connection speaks the plain level.
const (
	library = "rowcast.v1"
	plain   = "rowcast.plain"
)

// Options of a Handler. The zero value is useful.
type Options struct {
	Heartbeat        time.Duration // silence before a ping; default rooms.DefaultHeartbeat
	WriteTimeout     time.Duration // a socket that accepts no byte for so long is closed; default 10 s
	HandshakeTimeout time.Duration // to find out who a client is, and for the client to say it; default 10 s
	Spread           time.Duration // clients come back within it after Shutdown; default 5 s
	FramesPerSecond  int           // from one client; default 100, below 0: no limit
	Compression      bool          // permessage-deflate, where the client offers it
	Schema           func() string // the hash of the events' types for $welcome, as it is now; "": not known; default: none
	Logger           *slog.Logger  // default: none
}

// Handler is the WebSocket endpoint.
type Handler struct {
	hub      *rooms.Hub
	gate     *auth.Gate
	o        Options
	scratch  sync.Pool // of *scratch
	messages sync.Pool // of *bytes.Buffer
	deflater deflater

	running sync.WaitGroup // one for each session, from begin to end

	mu       sync.Mutex // guards what follows
	down     bool       // Shutdown was called: nobody begins
	sessions []*session
	keeper   keeper
	ended    map[websocket.StatusCode]uint64
}

// New returns a Handler.
func New(hub *rooms.Hub, gate *auth.Gate, o Options) *Handler {
	if o.Heartbeat <= 0 {
		o.Heartbeat = rooms.DefaultHeartbeat
	}
	if o.WriteTimeout <= 0 {
		o.WriteTimeout = DefaultWriteTimeout
	}
	if o.HandshakeTimeout <= 0 {
		o.HandshakeTimeout = DefaultHandshakeTimeout
	}
	if o.Spread <= 0 {
		o.Spread = DefaultSpread
	}
	if o.FramesPerSecond == 0 {
		o.FramesPerSecond = DefaultFramesPerSecond
	}
	if o.Schema == nil {
		o.Schema = func() string { return "" }
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Handler{
		hub:      hub,
		gate:     gate,
		o:        o,
		scratch:  sync.Pool{New: newScratch},
		messages: sync.Pool{New: func() any { return new(bytes.Buffer) }},
		deflater: newDeflater(),
		ended:    map[websocket.StatusCode]uint64{},
	}
}

// Stats are a Handler's counts.
type Stats struct {
	Sessions int            // now
	Ended    map[int]uint64 // so far, by our close code; 0: without one
}

// Stats returns the counts of this moment.
func (h *Handler) Stats() Stats {
	h.mu.Lock()
	defer h.mu.Unlock()
	ended := make(map[int]uint64, len(h.ended))
	for code, n := range h.ended {
		ended[int(code)] = n
	}
	return Stats{Sessions: len(h.sessions), Ended: ended}
}

// ServeHTTP upgrades the request and leaves the connection to a session of its
// own. Who the client is, if the handshake says it, is found out before the 101
// is sent, and what it asked for in the URL is joined: who sees the socket open
// misses nothing that is committed from then on.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if refused := h.gate.Check(r); refused != nil {
		http.Error(w, refused.Message, http.StatusForbidden)
		return
	}
	protocol := choose(r)
	arriving, hurry := context.WithTimeout(r.Context(), h.o.HandshakeTimeout)
	defer hurry()
	s := h.begin(protocol, hurry)
	if s == nil {
		http.Error(w, "shutting down", http.StatusServiceUnavailable)
		return
	}
	if leave, refused := h.gate.Enter(r); refused != nil {
		s.end(refusal(nil, *refused))
	} else {
		s.leave = leave
		if err := s.arrive(arriving, r); err != nil && s.sub.Err() == nil {
			s.end(err) // and nobody else did meanwhile
		}
	}
	if !h.accept(s, w, r, protocol) {
		h.end(s, errGone)
		return
	}
	// The session lives on without the request, of which its context would hold a
	// good part, and be it WithoutCancel.
	go func() { h.end(s, s.run(context.Background())) }() //nolint:forbidigo // Shutdown waits for it
}

// accept upgrades the connection, or answers the request with why not.
func (h *Handler) accept(s *session, w http.ResponseWriter, r *http.Request, protocol string) bool {
	// Who shakes hands and takes no answer holds nobody up; the socket sets its own.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(h.o.WriteTimeout))
	hijack := &hijacker{ResponseWriter: w, wrap: func(c net.Conn) *socket { return newSocket(c, h.o.WriteTimeout, &h.scratch, s.drained) }}
	conn, err := websocket.Accept(hijack, r, &websocket.AcceptOptions{
		Subprotocols:       []string{protocol},
		InsecureSkipVerify: true, // the gate has looked at the origin
		CompressionMode:    h.compression(),
		OnPingReceived:     func(context.Context, []byte) bool { return s.beat() },
		OnPongReceived:     func(context.Context, []byte) { s.beat() },
	})
	if err != nil {
		return false
	}
	conn.SetReadLimit(-1) // ours comes with an $error
	s.attach(conn, hijack.socket)
	s.deflates = w.Header().Get("Sec-WebSocket-Extensions") != ""
	return true
}

// choose returns the subprotocol to speak; "" when the client offers none of ours.
func choose(r *http.Request) string {
	var offered []string
	for _, header := range r.Header.Values("Sec-WebSocket-Protocol") {
		for token := range strings.SplitSeq(header, ",") {
			offered = append(offered, strings.TrimSpace(token))
		}
	}
	for _, protocol := range []string{library, plain} {
		if slices.Contains(offered, protocol) {
			return protocol
		}
	}
	return ""
}

// begin makes a session and counts it in; nil when none may begin any more.
func (h *Handler) begin(protocol string, hurry context.CancelFunc) *session {
	level := rooms.Plain
	if protocol == library {
		level = rooms.Library
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.down {
		return nil
	}
	s := newSession(h, level, hurry)
	var err error
	if s.sub, err = h.hub.Subscribe(rooms.SubscriberOptions{Level: level, Guarded: !h.gate.Open(), Outlet: s}); err != nil {
		return nil // the hub is closed
	}
	h.running.Add(1)
	s.index = len(h.sessions)
	h.sessions = append(h.sessions, s)
	h.keepSoon()
	return s
}

// end counts the session out.
func (h *Handler) end(s *session, cause error) {
	s.sub.Close(cause)
	if s.lease != nil {
		s.lease.Stop()
	}
	if s.patience != nil {
		s.patience.Stop()
	}
	if s.leave != nil {
		s.leave()
	}
	h.o.Logger.Debug("session ended", "session", s.id, "err", cause)
	h.mu.Lock()
	last := len(h.sessions) - 1
	h.sessions[s.index], h.sessions[last].index = h.sessions[last], s.index
	h.sessions[last] = nil
	h.sessions = h.sessions[:last]
	h.ended[closeCode(cause)]++
	h.mu.Unlock()
	h.running.Done()
}

// Shutdown refuses new connections, tells those there are to come back (library
// level: $bye) and closes them with 1012, then waits for the last session. The
// clients' return is spread: $bye says after how long, and plain connections,
// which hear no $bye, are closed one after the other. When ctx ends, what is
// left is cut off, and Shutdown returns the cause.
func (h *Handler) Shutdown(ctx context.Context) error {
	h.mu.Lock()
	h.down = true
	var silent []*session
	for _, s := range h.sessions {
		if s.level == rooms.Plain {
			silent = append(silent, s)
			continue
		}
		s.dismiss(h.bye())
	}
	h.mu.Unlock()

	stop := context.AfterFunc(ctx, h.cut)
	h.closePlain(ctx, silent)
	h.running.Wait()
	if stop() {
		return nil // in time
	}
	return context.Cause(ctx)
}

// bye tells a client to come back.
func (h *Handler) bye() []byte {
	return rooms.ByeFrame(int(websocket.StatusServiceRestart), true, randv2.N(h.o.Spread))
}

// closePlain closes the sessions within h.o.Spread, a few within much less.
func (h *Handler) closePlain(ctx context.Context, sessions []*session) {
	if len(sessions) == 0 {
		return
	}
	pace := time.NewTicker(min(5*time.Millisecond, h.o.Spread/time.Duration(len(sessions))+1))
	defer pace.Stop()
	for _, s := range sessions {
		s.dismiss(nil)
		select {
		case <-pace.C:
		case <-ctx.Done():
			return
		}
	}
}

// cut ends what is left, without a word.
func (h *Handler) cut() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, s := range h.sessions {
		s.sever()
	}
}
