package bench

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/coder/websocket"
)

// writeLoop is what one writes first: the publisher calls the library's Write for
// each connection.
type writeLoop struct {
	arrived func()

	mu    sync.Mutex
	conns []*websocket.Conn
}

func newLoop(_ context.Context, arrived func()) (contender, error) {
	return &writeLoop{arrived: arrived}, nil
}

func (c *writeLoop) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ws, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	ctx := ws.CloseRead(context.WithoutCancel(r.Context()))
	c.mu.Lock()
	c.conns = append(c.conns, ws)
	c.mu.Unlock()
	c.arrived()
	<-ctx.Done()
	_ = ws.CloseNow()
}

func (c *writeLoop) publisher(ctx context.Context, k, _ int) func() error {
	message := newEvents().next().Data
	return func() error {
		for range k {
			for _, ws := range c.conns {
				if err := ws.Write(ctx, websocket.MessageText, message); err != nil {
					return err
				}
			}
		}
		return nil
	}
}

func (c *writeLoop) close(context.Context) error { return nil }

const (
	chatBuffer  = 64              // messages; 16 in the example
	chatTimeout = 5 * time.Second // as in the example
)

// errGone is what there is to say of a connection whose handler has returned.
var errGone = errors.New("connection lost")

// chatExample is the library's own chat (internal/examples/chat): a goroutine and a
// channel for each connection, each write with a timeout. The example closes the
// connection whose channel is full; here the publisher waits.
type chatExample struct {
	arrived func()

	mu          sync.Mutex
	subscribers map[*subscriber]struct{}
}

type subscriber struct {
	messages chan []byte
	gone     chan struct{}
}

func newChat(_ context.Context, arrived func()) (contender, error) {
	return &chatExample{arrived: arrived, subscribers: map[*subscriber]struct{}{}}, nil
}

func (c *chatExample) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s := &subscriber{messages: make(chan []byte, chatBuffer), gone: make(chan struct{})}
	defer close(s.gone)
	c.mu.Lock()
	c.subscribers[s] = struct{}{}
	c.mu.Unlock()
	ws, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer func() { _ = ws.CloseNow() }()
	ctx := ws.CloseRead(context.WithoutCancel(r.Context()))
	c.arrived()
	for {
		select {
		case message := <-s.messages:
			if err := writeTimeout(ctx, ws, message); err != nil {
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

func writeTimeout(ctx context.Context, ws *websocket.Conn, message []byte) error {
	ctx, cancel := context.WithTimeout(ctx, chatTimeout)
	defer cancel()
	return ws.Write(ctx, websocket.MessageText, message)
}

func (c *chatExample) publisher(_ context.Context, k, _ int) func() error {
	message := newEvents().next().Data
	return func() error {
		for range k {
			if err := c.publish(message); err != nil {
				return err
			}
		}
		return nil
	}
}

func (c *chatExample) publish(message []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for s := range c.subscribers {
		select {
		case s.messages <- message:
			continue
		default:
		}
		select {
		case s.messages <- message:
		case <-s.gone:
			return errGone
		}
	}
	return nil
}

func (c *chatExample) close(context.Context) error { return nil }
