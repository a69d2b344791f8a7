package ws

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"rowcast/rooms"
	"rowcast/rooms/auth"
)

// arrive finds out from the handshake who the client is and queues what its
// level begins with. At the library level a client may say it later, in a frame.
func (s *session) arrive(ctx context.Context, r *http.Request) error {
	id, refused := s.h.gate.Identify(ctx, r)
	switch {
	case refused != nil:
		return refusal(nil, *refused)
	case id != nil:
		s.admit(id, nil)
		if s.level == rooms.Plain {
			return s.joinURL(ctx, r.URL.RawQuery)
		}
	case s.level == rooms.Plain:
		return refusal(nil, *s.h.gate.Unidentified("auth.mode"))
	default:
		s.patience = time.AfterFunc(s.h.o.HandshakeTimeout, func() {
			s.end(refusal(nil, *s.h.gate.Unidentified("limits.handshake_timeout")))
		})
	}
	return nil
}

// admit makes the client who it has proved to be, answers the auth if there was
// one, and lets it stay for as long as that lasts.
func (s *session) admit(id *auth.Identity, answer []byte) {
	known := s.identity != nil
	s.identity = id
	s.sub.Identify(id.Subject)
	if answer != nil {
		_ = s.sub.Control(answer)
	}
	if s.level == rooms.Library && !known {
		_ = s.sub.Notify(s.welcome())
	}
	s.renew(id.Expires) // may warn at once: after the others
}

// renew lets the client stay until then; the zero time is for ever.
func (s *session) renew(until time.Time) {
	if s.lease == nil && until.IsZero() {
		return // most have no token, and need no lease
	}
	if s.lease == nil {
		warn := s.warn
		if s.level != rooms.Library {
			warn = nil
		}
		s.lease = auth.NewLease(warn, s.expire)
	}
	s.lease.Renew(until)
}

// signIn answers an auth: the client's first words, or a fresh token for a
// session that goes on. It may wait, for keys or the database.
func (s *session) signIn(ctx context.Context, r request) {
	if s.h.gate.Open() {
		_ = s.sub.Control(rooms.AuthedFrame(r.Ref, 0))
		return
	}
	if s.patience != nil {
		s.patience.Stop() // it has spoken; from here on the question's own time counts
	}
	asking, cancel := context.WithTimeout(ctx, s.h.o.HandshakeTimeout)
	defer cancel()
	id, refused := s.h.gate.Authenticate(asking, r.Token)
	before := s.identity
	switch {
	case refused != nil && (before == nil || before == s.h.gate.Anonymous()): // its first word about who it is
		s.end(refusal(r.Ref, *refused))
	case refused != nil:
		s.disbelieve(r, *refused)
	case before != nil && before.Subject != "" && before.Subject != id.Subject:
		s.disbelieve(r, auth.Refusal{Code: rooms.Forbidden, Message: "the token is somebody else's: connect anew"})
	default:
		s.admit(id, rooms.AuthedFrame(r.Ref, left(id)))
		s.narrow(ctx, before)
	}
}

// disbelieve refuses a token on a session that goes on, until there are too many.
func (s *session) disbelieve(r request, why auth.Refusal) {
	if err := s.complain(&s.disbelieved, r, why.Code, why.Message); err != nil {
		s.end(err)
	}
}

// left is for how long somebody may stay; 0 is for ever.
func left(id *auth.Identity) time.Duration {
	if id.Expires.IsZero() {
		return 0
	}
	return max(time.Until(id.Expires), time.Millisecond)
}

// narrow takes away the topics that the client may no longer be in, now that it
// shows another token. When it cannot be found out now, the client stays where the
// same claims brought it; with others it has to come back, for it may be the one
// who keeps the application from answering.
func (s *session) narrow(ctx context.Context, before *auth.Identity) {
	joined := s.sub.Topics()
	if len(joined) == 0 {
		return
	}
	verdict := s.h.gate.Judge(ctx, s.identity, joined, joined)
	if !s.identity.Renews(before) && slices.ContainsFunc(joined, func(topic string) bool {
		return verdict.Denied[topic].Code == rooms.Unavailable
	}) {
		s.dismiss(s.h.bye())
		return
	}
	s.lose(joined, verdict)
}

// lose takes away topics that the client was in when it was found that it may not
// be.
func (s *session) lose(joined []string, verdict auth.Verdict) {
	lost := slices.DeleteFunc(joined, func(topic string) bool {
		d, denied := verdict.Denied[topic]
		return !denied || d.Code == rooms.Unavailable
	})
	if len(lost) > 0 {
		s.sub.Evict(lost)
	}
}

// joinURL joins what the URL asks for, all or nothing: the plain level's only join.
func (s *session) joinURL(ctx context.Context, query string) error {
	wishes, refused := auth.ParseWishes(query)
	if refused != nil {
		return refusal(nil, *refused)
	}
	verdict := s.h.gate.Judge(ctx, s.identity, wishes.Topics, nil)
	if refused := verdict.Refusal(wishes.Topics); refused != nil {
		return refusal(nil, *refused)
	}
	err := s.sub.Join(ctx, rooms.JoinRequest{Topics: verdict.Topics, Since: wishes.Since, Mark: verdict.Mark})
	if errors.Is(err, rooms.ErrUnavailable) || errors.Is(err, context.DeadlineExceeded) {
		return refusal(nil, auth.Refusal{Code: rooms.Unavailable, Message: "the database cannot be asked now"})
	}
	return err
}

// welcome is the frame that makes a client of the library level a connected one.
func (s *session) welcome() []byte {
	return rooms.WelcomeFrame(rooms.Welcome{
		Session:   s.id,
		Heartbeat: s.h.o.Heartbeat,
		Topics:    s.h.gate.Limits().Topics,
		Cursor:    s.h.hub.Cursor(),
		Schema:    s.h.o.Schema(),
	})
}

// warn tells the client to bring a fresh token.
func (s *session) warn(left time.Duration) { _ = s.sub.Notify(rooms.TokenExpiringFrame(left)) }

// expire ends the session of a token that has run out.
func (s *session) expire() {
	s.end(refusal(nil, auth.Refusal{Code: rooms.TokenExpired, Message: "token is expired"}))
}
