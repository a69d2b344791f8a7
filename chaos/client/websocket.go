package client

import (
	"bytes"
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/coder/websocket"
)

// upgrade makes a WebSocket of the session's socket.
func (s *session) upgrade(ctx context.Context, path, protocol string) (*websocket.Conn, error) {
	var offer websocket.CompressionMode
	if s.o.Habits.Deflate {
		offer = websocket.CompressionContextTakeover // the daemon wants less
	}
	conn, res, err := websocket.Dial(context.WithoutCancel(ctx), "ws://"+s.socket.RemoteAddr().String()+path, &websocket.DialOptions{
		HTTPClient:      &http.Client{Transport: s.socket},
		Subprotocols:    []string{protocol},
		CompressionMode: offer,
		OnPingReceived: func(context.Context, []byte) bool {
			if s.pings {
				s.heard = time.Now()
			}
			return true
		},
	})
	if err != nil {
		if res != nil && res.StatusCode != http.StatusSwitchingProtocols {
			s.open(nil)
			err = refusal{"status " + strconv.Itoa(res.StatusCode)}
		}
		return nil, err
	}
	if res.Header.Get("Sec-WebSocket-Extensions") != "" {
		s.deflated.Add(1)
	}
	conn.SetReadLimit(-1)
	return conn, nil
}

// listen hands over what comes, until the end. The messages are good until take returns.
func (s *session) listen(ctx context.Context, conn *websocket.Conn, take func(ctx context.Context, message []byte) error) error {
	var buffer bytes.Buffer
	for {
		// The socket's clock looks after ctx, and after what a context would close.
		kind, r, err := conn.Reader(context.WithoutCancel(ctx))
		if err != nil {
			return err
		}
		buffer.Reset()
		if _, err := buffer.ReadFrom(r); err != nil {
			return err
		}
		s.heard = time.Now()
		if kind != websocket.MessageText {
			return broken{"a binary message"}
		}
		if err := take(ctx, buffer.Bytes()); err != nil {
			return err
		}
	}
}
