package bridge

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"sync"
	"time"
)

const (
	idleTimeout   = 2 * time.Minute
	closePatience = time.Second
)

// limits are what bounds a request and its connection.
type limits struct {
	header time.Duration // until it is complete, a TLS handshake until it is done; and a body
	bytes  int           // net/http lets 4 KB more through
	stall  time.Duration // a peer may take nothing for so long
}

// endpoint is a port: bound early, so that a taken one is found before anything
// else is done, and served when there is something to serve.
type endpoint struct {
	name     string // the setting that a person would change
	listener net.Listener
	server   *http.Server
	serving  sync.WaitGroup
}

// bind takes the port. There is no write timeout: a stream of events has no end,
// and its own watch over sockets that take nothing.
func bind(ctx context.Context, name, addr string, h http.Handler, most limits, log *slog.Logger) (*endpoint, error) {
	l, err := listen(ctx, addr, most.stall)
	if err != nil {
		return nil, fmt.Errorf("%s: %w (set another address)", name, err)
	}
	l = newAdmission(l)
	return &endpoint{name: name, listener: l, server: &http.Server{
		Handler:           bodies(h, most.header),
		ReadHeaderTimeout: most.header,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    most.bytes,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug), // what strangers send
	}}, nil
}

// bodies bounds the time that a request's body takes, which net/http waits for even
// where nobody reads it. Its own limit, ReadTimeout, would end every stream.
func bodies(h http.Handler, most time.Duration) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength != 0 {
			_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(most)) // every connection has one
		}
		h.ServeHTTP(w, r)
	})
}

// bodiless refuses requests with a body: those that upgrade, or are answered by a
// stream, would go on in the middle of it.
func bodiless(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength != 0 {
			w.Header().Set("Connection", "close")
			http.Error(w, "a request without a body, please", http.StatusBadRequest)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// serve answers until close, with TLS where there is a certificate. An end
// before that is reported to s.
func (e *endpoint) serve(s *stack, c *certificate) {
	e.serving.Go(func() {
		if c != nil {
			e.server.TLSConfig = c.config()
			s.ended(e.name, e.server.ServeTLS(e.listener, "", ""))
		} else {
			s.ended(e.name, e.server.Serve(e.listener))
		}
	})
}

// close lets requests end, but not for long: the sessions have ended by now, and
// who has connected and asked for nothing yet, as browsers do in advance, counts
// as a request to net/http.
func (e *endpoint) close(ctx context.Context) error {
	patience, cancel := context.WithTimeout(ctx, closePatience)
	defer cancel()
	if e.server.Shutdown(patience) != nil {
		_ = e.server.Close() // nothing is owed to those that are left
	}
	_ = e.listener.Close() // the server knows it only once it serves
	e.serving.Wait()
	return nil
}

// newAdminMux serves what is nobody's business but the operator's.
func newAdminMux(ready func() error, metrics http.Handler) *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { answer(w, nil) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) { answer(w, ready()) })
	mux.Handle("GET /metrics", metrics)
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return mux
}

// answer writes 200 ok, or 503 and why.
func answer(w http.ResponseWriter, err error) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	text := "ok"
	if err != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		text = err.Error()
	}
	_, _ = io.WriteString(w, text+"\n") // a prober that is gone
}
