package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/coder/websocket"

	"rowcast/chaos/load"
	"rowcast/chaos/oracle"
)

// resident is a client that comes once and reads whatever there is, for as long
// as the soak lasts: a session that gets old. Nobody judges what it is sent.
type resident struct {
	name  string
	leave func()
	ended chan error // holds why, when it was not asked to
}

// moveIn connects a resident of the kind and joins a topic.
func moveIn(ctx context.Context, kind oracle.Kind, addr string) (*resident, error) {
	living, cancel := context.WithCancel(context.WithoutCancel(ctx))
	r := &resident{name: "resident " + string(kind), ended: make(chan error, 1)}
	read, err := visit(living, kind, addr, strings.Join(load.Names(topics), ","))
	if err != nil {
		cancel()
		return nil, fmt.Errorf("%s: %w", r.name, err)
	}
	done := make(chan struct{})
	r.leave = func() { cancel(); <-done }
	go func() {
		defer close(done)
		err := read()
		if living.Err() == nil {
			r.ended <- errors.Join(errors.New("its connection ended"), err)
		}
	}()
	return r, nil
}

// left says why the resident is gone; nil: it is there.
func (r *resident) left() error {
	select {
	case err := <-r.ended:
		r.ended <- err
		return err
	default:
		return nil
	}
}

// visit opens the connection; read returns when it has ended.
func visit(ctx context.Context, kind oracle.Kind, addr, names string) (read func() error, err error) {
	if kind == oracle.Stream {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/sse?topics="+names, nil)
		if err != nil {
			return nil, err
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return nil, err
		}
		return func() error {
			_, err := io.Copy(io.Discard, response.Body)
			return errors.Join(err, response.Body.Close())
		}, nil
	}
	url, o := "ws://"+addr+"/ws?topics="+names, &websocket.DialOptions{}
	if kind == oracle.Library {
		url, o.Subprotocols = "ws://"+addr+"/ws", []string{"rowcast.v1"}
	}
	conn, _, err := websocket.Dial(ctx, url, o) //nolint:bodyclose // it is the connection's
	if err != nil {
		return nil, err
	}
	conn.SetReadLimit(-1)
	if kind == oracle.Library {
		join := `{"type":"join","ref":1,"topics":["` + strings.ReplaceAll(names, ",", `","`) + `"]}`
		if err := conn.Write(ctx, websocket.MessageText, []byte(join)); err != nil {
			return nil, errors.Join(err, conn.CloseNow())
		}
	}
	return func() error {
		defer conn.CloseNow() //nolint:errcheck // it has ended
		for {
			if _, _, err := conn.Read(ctx); err != nil {
				return err
			}
		}
	}, nil
}
