package client

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// stream is a session of server-sent events (HTML standard, 9.2). Its cursor is
// the id of the newest message: an id counts when the blank line after it has come.
type stream struct {
	simple
	id    string // of the message that is being read
	hasID bool
	retry time.Duration
	data  []byte
}

var errEOF = errors.New(EOF)

func (s *stream) talk(ctx context.Context) error {
	r, err := http.NewRequestWithContext(context.WithoutCancel(ctx), http.MethodGet,
		"http://"+s.socket.RemoteAddr().String()+s.address("/sse", nil), nil)
	if err != nil {
		return err
	}
	r.Header.Set("Accept", "text/event-stream")
	if s.cursor != "" {
		r.Header.Set("Last-Event-ID", s.cursor)
	}
	res, err := s.socket.RoundTrip(r)
	if err != nil {
		return err
	}
	defer res.Body.Close() //nolint:errcheck // the socket is closed anyway
	s.open(s.o.Topics)
	if res.StatusCode != http.StatusOK {
		return refusal{"status " + strconv.Itoa(res.StatusCode)}
	}
	s.live(s.o.Heartbeat)
	if s.cursor != "" {
		if err := s.enter(ctx, true); err != nil {
			return err
		}
	}
	return s.follow(ctx, bufio.NewReader(res.Body))
}

// follow reads lines until the end.
func (s *stream) follow(ctx context.Context, lines *bufio.Reader) error {
	var long []byte
	for {
		line, err := lines.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			long = append(long, line...)
			continue
		}
		if errors.Is(err, io.EOF) {
			s.stay = s.retry // of an orderly end: who is cut off comes back at once
			return errEOF
		}
		if err != nil {
			return err
		}
		if len(long) > 0 {
			line = append(long, line...)
			long = line[:0]
		}
		s.heard = time.Now()
		if err := s.line(ctx, bytes.TrimSuffix(line, []byte("\n"))); err != nil {
			return err
		}
	}
}

// line takes one line: a field of a message, or the blank one that ends it.
func (s *stream) line(ctx context.Context, line []byte) error {
	name, value, _ := bytes.Cut(line, []byte(":"))
	value = bytes.TrimPrefix(value, []byte(" "))
	switch string(name) {
	case "id":
		s.id, s.hasID = string(value), true
	case "data":
		s.data = append(s.data, value...) // a frame is one line
	case "retry":
		ms, err := strconv.Atoi(string(value))
		if err != nil {
			return broken{"retry: " + string(value)}
		}
		s.retry = time.Duration(ms) * time.Millisecond
	case "":
		return s.dispatch(ctx)
	default:
		return broken{"a field " + strings.ToValidUTF8(string(name), "?")}
	}
	return nil
}

// dispatch takes the message that has come to its end.
func (s *stream) dispatch(ctx context.Context) error {
	id, hasID, data := s.id, s.hasID, s.data
	s.id, s.hasID, s.data = "", false, s.data[:0]
	if hasID {
		s.cursor = id
	}
	if len(data) > 0 {
		if err := s.take(ctx, data); err != nil {
			return err
		}
	}
	if !s.in && s.cursor != "" {
		return s.enter(ctx, false) // a new stream begins with an id
	}
	return nil
}
