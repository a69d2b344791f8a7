package client

import (
	"context"
	"net/url"
	"strings"

	"rowcast/chaos/oracle"
)

// simple is what Plain and Stream have in common: the topics are joined from the
// URL, and nothing is asked afterwards.
type simple struct {
	*session
	in bool
}

func (s *simple) joined() bool                     { return s.in }
func (s *simple) askAgain(_ context.Context) error { return nil }
func (s *simple) leave(_ context.Context) error    { return nil }

// address is the endpoint's, with the topics.
func (s *simple) address(endpoint string, query url.Values) string {
	var names []string
	for _, name := range s.o.Topics {
		names = append(names, url.QueryEscape(name))
	}
	address := endpoint + "?topics=" + strings.Join(names, ",")
	if len(query) > 0 {
		address += "&" + query.Encode()
	}
	return address
}

// enter is when the topics are joined. Who came without a cursor fetches: what
// that sees needs no event, and the rest is owed.
func (s *simple) enter(ctx context.Context, resumed bool) error {
	s.in = true
	s.indulge()
	switch {
	case resumed:
	case s.member:
		if err := s.fetch(ctx, s.o.Topics); err != nil {
			return err
		}
	default:
		from, err := s.o.Fetch(ctx)
		if err != nil {
			return errEnded
		}
		s.journal.Member(s.o.Topics, from)
		s.member = true
	}
	s.look(ctx)
	return nil
}

// take takes one frame.
func (s *simple) take(ctx context.Context, message []byte) error {
	f, err := parse(message)
	if err != nil {
		return broken{err.Error()}
	}
	if f.kind[0] != '$' {
		s.journal.Event(f.event(s.known))
		if s.o.Kind == oracle.Plain && f.cursor != nil {
			s.cursor = text(f.cursor)
		}
		return nil
	}
	c, err := f.control()
	switch {
	case err != nil:
		return broken{err.Error()}
	case f.kind == "$resync":
		return s.resync(ctx, c)
	case f.kind == "$error":
		return denied(c.Code)
	}
	return broken{f.kind + " at this level"}
}

// plain is a session of a WebSocket without a protocol of its own. Its cursor is
// that of the newest event: it is told no other.
type plain struct{ simple }

func (s *plain) talk(ctx context.Context) error {
	query := url.Values{}
	if s.cursor != "" {
		query.Set("since", s.cursor)
	}
	conn, err := s.upgrade(ctx, s.address("/ws", query), "rowcast.plain")
	if err != nil {
		return err
	}
	defer conn.CloseNow()
	s.open(s.o.Topics)
	s.pings = true
	s.live(s.o.Heartbeat)
	if err := s.enter(ctx, s.cursor != ""); err != nil {
		return err
	}
	return s.listen(ctx, conn, s.take)
}
