package sse

import (
	"errors"
	"math/rand/v2"
	"net/http"
	"time"

	"rowcast/rooms"
	"rowcast/rooms/auth"
)

// What ends a stream, beside the hub's causes.
var (
	errDrain   = errors.New("shutting down")
	errExpired = errors.New("token expired")
	errGone    = errors.New("client is gone")
)

// What a client is told that may not stream, beside the gate's words.
var (
	draining  = &auth.Refusal{Code: rooms.Unavailable, Message: "shutting down"}
	away      = &auth.Refusal{Code: rooms.Unavailable, Message: "the database cannot be asked now"}
	uncertain = &auth.Refusal{Code: rooms.Unavailable, Message: "access changed meanwhile"}
	expired   = &auth.Refusal{Code: rooms.TokenExpired, Message: "token is expired"}
	revoked   = &auth.Refusal{Code: rooms.Forbidden, Message: "access was revoked"}
)

// endings say what to answer when a stream ended before it began.
var endings = map[error]*auth.Refusal{
	errDrain:           draining,
	errExpired:         expired,
	rooms.ErrRevoked:   revoked,
	rooms.ErrUncertain: uncertain,
}

// statuses are those of a refusal for good: an EventSource that gets one does
// not come back.
var statuses = map[rooms.Code]int{
	rooms.BadTopic:        http.StatusBadRequest,
	rooms.TooManyTopics:   http.StatusBadRequest,
	rooms.Unauthenticated: http.StatusUnauthorized,
	rooms.TokenExpired:    http.StatusUnauthorized,
	rooms.Forbidden:       http.StatusForbidden,
}

// refuse answers a client that may not stream: for good, with a status, or for
// now, with a stream that says when to come back, and ends.
func (h *Handler) refuse(out *output, why *auth.Refusal) {
	told := rooms.ErrorFrame(nil, why.Code, why.Message)
	if status, forGood := statuses[why.Code]; forGood {
		out.w.Header().Set("Content-Type", "application/json")
		if status == http.StatusUnauthorized {
			out.w.Header().Set("WWW-Authenticate", "Bearer") // RFC 9110 section 15.5.2
		}
		out.w.WriteHeader(status)
		_ = out.write(append(told, '\n'))
		return
	}
	after := jitter(h.o.Retry)
	if why == draining || why == uncertain {
		after = rand.N(h.o.Spread)
	}
	head(out.w)
	_ = out.write(block(after, rooms.Frame{Kind: rooms.Control, Data: told}))
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
