package ws

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"rowcast/rooms"
)

func pipeSocket(t *testing.T) (s *socket, client net.Conn) {
	t.Helper()
	client, server := net.Pipe()
	t.Cleanup(func() { _ = client.Close(); _ = server.Close() })
	return newSocket(server, Options{Heartbeat: time.Hour, WriteTimeout: time.Minute}, &sync.Pool{New: func() any { return new([]byte) }}), client
}

func text(data string) rooms.Frame { return rooms.Frame{Data: []byte(data)} }

// TestSocket_narrow: nothing must lead past Write and Read.
func TestSocket_narrow(t *testing.T) {
	t.Parallel()
	s, _ := pipeSocket(t)
	var conn any = s
	if _, ok := conn.(io.ReaderFrom); ok {
		t.Error("a socket is an io.ReaderFrom")
	}
	if _, ok := conn.(io.WriterTo); ok {
		t.Error("a socket is an io.WriterTo")
	}
	if _, ok := conn.(syscall.Conn); ok {
		t.Error("a socket is a syscall.Conn")
	}
}

func TestSocket_lengths(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, 125, 126, 127, 65_535, 65_536, 300_000} {
		data := []byte(strings.Repeat("x", n))
		op, payload, err := readFrame(bytes.NewReader(appendText(nil, data)))
		if op != finText || err != nil || !bytes.Equal(payload, data) {
			t.Errorf("%d bytes: %#x, %d bytes, %v", n, op, len(payload), err)
		}
	}
}

// TestSocket_whole: batches and the library's frames, from many goroutines, come
// out whole and each in its own order.
func TestSocket_whole(t *testing.T) {
	t.Parallel()
	s, client := pipeSocket(t)
	const writers, each = 3, 400
	var running sync.WaitGroup
	for w := range writers {
		running.Go(func() {
			for i := 0; i < each; i += 4 {
				var batch []rooms.Frame
				for j := range 4 {
					batch = append(batch, text(fmt.Sprintf("%d %d %s", w, i+j, strings.Repeat("x", (i*37)%500))))
				}
				if err := s.send(batch); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	running.Go(func() {
		for range each {
			if _, err := s.Write([]byte(wholePing)); err != nil {
				t.Error(err)
				return
			}
		}
	})
	next, pings := [writers]int{}, 0
	in := &slowly{r: client}
	for range writers*each + each {
		op, payload, err := readFrame(in)
		if err != nil {
			t.Fatal(err)
		}
		if op == 0x89 && len(payload) == 0 {
			pings++
			continue
		}
		var w, i int
		if _, err := fmt.Sscanf(string(payload), "%d %d", &w, &i); err != nil || op != finText || i != next[w] {
			t.Fatalf("%#x %.20s, want %d of writer %d: %v", op, payload, next[w], w, err)
		}
		next[w]++
	}
	running.Wait()
	if pings != each {
		t.Errorf("%d pings, want %d", pings, each)
	}
}

// slowly reads a few bytes at a time.
type slowly struct{ r io.Reader }

func (s *slowly) Read(p []byte) (int, error) { return s.r.Read(p[:min(len(p), 7)]) }

// TestSocket_turn: the library does not wait for a writer that does, and its
// frames follow the batch in hand; pongs beyond a bound are left out; nothing
// follows a close frame.
func TestSocket_turn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, client := pipeSocket(t)
		var sending sync.WaitGroup
		sending.Go(func() {
			if err := s.send([]rooms.Frame{text("first"), text("second")}); err != nil {
				t.Error(err)
			}
			if err := s.send([]rooms.Frame{text("third")}); !errors.Is(err, net.ErrClosed) {
				t.Errorf("after the close frame: %v", err)
			}
		})
		synctest.Wait() // the writer has the turn and waits for the client
		pong := append([]byte{0x8A, 100}, make([]byte, 100)...)
		for range 1000 {
			if _, err := s.Write(pong); err != nil {
				t.Fatal(err)
			}
		}
		for _, late := range []string{"\x88\x00", wholePing} {
			if _, err := s.Write([]byte(late)); err != nil {
				t.Fatal(err)
			}
		}
		var got strings.Builder
		pongs := 0
		for {
			_ = client.SetReadDeadline(time.Now().Add(time.Second))
			op, payload, err := readFrame(client)
			if err != nil {
				break
			}
			if op == 0x8A {
				pongs++
				continue
			}
			fmt.Fprintf(&got, "%#x %s,", op, payload)
		}
		sending.Wait()
		if want := "0x81 first,0x81 second,0x88 ,"; got.String() != want {
			t.Errorf("got %s, want %s", got.String(), want)
		}
		if pongs == 0 || pongs > maxOwn/len(pong)+1 {
			t.Errorf("%d pongs", pongs)
		}
	})
}

// TestSocket_closing: a close frame goes out though the next writer had the turn
// before it.
func TestSocket_closing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, client := pipeSocket(t)
		s.turn <- struct{}{} // somebody writes
		var sending sync.WaitGroup
		sending.Go(func() {
			if err := s.send([]rooms.Frame{text("late")}); !errors.Is(err, net.ErrClosed) {
				t.Errorf("after the close frame: %v", err)
			}
		})
		synctest.Wait()
		if _, err := s.Write([]byte("\x88\x00")); err != nil {
			t.Fatal(err)
		}
		<-s.turn
		_ = client.SetReadDeadline(time.Now().Add(time.Second))
		if op, _, err := readFrame(client); op != 0x88 || err != nil {
			t.Errorf("%#x, %v", op, err)
		}
		sending.Wait()
	})
}

// TestSocket_stall: only a peer that takes nothing at all is stuck.
func TestSocket_stall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, client := pipeSocket(t)
		var reading sync.WaitGroup
		reading.Go(func() {
			sip := make([]byte, 10)
			for range 20 {
				<-time.After(50 * time.Second)
				if _, err := client.Read(sip); err != nil {
					t.Error(err)
				}
			}
		})
		begin := time.Now()
		err := s.send([]rooms.Frame{text(strings.Repeat("x", 100_000))})
		if d := time.Since(begin); !errors.Is(err, errStuck) || d < 1000*time.Second || d > 1120*time.Second {
			t.Fatalf("%v after %v", err, d)
		}
		reading.Wait()
	})
}

func BenchmarkSocket(b *testing.B) {
	for _, k := range []int{1, 16, 64} {
		b.Run(fmt.Sprint(k), func(b *testing.B) {
			client, server := net.Pipe()
			defer func() { _ = client.Close() }()
			go func() { _, _ = io.Copy(io.Discard, client) }()
			s := newSocket(server, Options{Heartbeat: time.Hour, WriteTimeout: time.Minute}, &sync.Pool{New: func() any { return new([]byte) }})
			batch := make([]rooms.Frame, k)
			for i := range batch {
				batch[i] = text(strings.Repeat("x", 200))
			}
			b.ReportAllocs()
			for b.Loop() {
				if err := s.send(batch); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
