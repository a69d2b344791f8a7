package ws

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"rowcast/rooms"
)

// end is a socket with who uses it.
type end struct {
	*socket
	free chan error // what drained was told
}

func newEnd(conn net.Conn) *end {
	e := &end{free: make(chan error, 1)}
	e.socket = newSocket(conn, time.Minute, &sync.Pool{New: newScratch}, func(waiting bool, err error) {
		if waiting {
			e.free <- err
		}
	})
	return e
}

// pipeSocket is a socket to which every write has to wait.
func pipeSocket(t *testing.T) (s *end, client net.Conn) {
	t.Helper()
	client, server := net.Pipe()
	t.Cleanup(func() { _ = client.Close(); _ = s.Close(); s.flushers.Wait() })
	return newEnd(server), client
}

// tcpSocket is a socket to which a write waits only when the kernel is full.
func tcpSocket(tb testing.TB) (s *end, client net.Conn) {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	client, err = net.Dial("tcp", l.Addr().String())
	if err != nil {
		tb.Fatal(err)
	}
	server, err := l.Accept()
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = l.Close(); _ = client.Close(); _ = s.Close(); s.flushers.Wait() })
	return newEnd(server), client
}

// sendAll sends, and waits until it is written.
func (e *end) sendAll(frames ...rooms.Frame) error {
	all, err := e.send(frames)
	if !all {
		err = <-e.free
	}
	return err
}

// text is a text frame.
func text(data string) rooms.Frame {
	head := []byte{0x81, byte(len(data))}
	if len(data) > 125 {
		head = binary.BigEndian.AppendUint16([]byte{0x81, 126}, uint16(len(data)))
	}
	return rooms.Frame{Framed: append(head, data...)}
}

// TestSocket_narrow: nothing must lead past Write and Read.
func TestSocket_narrow(t *testing.T) {
	t.Parallel()
	s, _ := pipeSocket(t)
	var conn any = s.socket
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

// TestFrameLen: the library may cut its frames as it likes.
func TestFrameLen(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, 125, 126, 127, 65_535} {
		frame := text(strings.Repeat("x", n)).Framed
		if got := frameLen(frame); got != len(frame) {
			t.Errorf("%d bytes: %d, want %d", n, got, len(frame))
		}
		if got := frameLen(frame[:1]); got != 0 {
			t.Errorf("of one byte: %d", got)
		}
	}
	if got := frameLen([]byte{0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0}); got != 65_546 {
		t.Errorf("of a long one: %d", got)
	}
	if got := frameLen([]byte{0x81, 127, 0, 0, 0, 0, 0, 1, 0}); got != 0 {
		t.Errorf("of half a header: %d", got)
	}
}

// TestSocket_assembles: what the library writes in pieces leaves whole.
func TestSocket_assembles(t *testing.T) {
	t.Parallel()
	s, client := tcpSocket(t)
	wire := slices.Concat([]byte("\x89\x03abc"), text(strings.Repeat("y", 300)).Framed, []byte("\x8A\x00"))
	for _, b := range wire {
		if n, err := s.Write([]byte{b}); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		if s.part != nil && len(s.part) == frameLen(s.part) {
			t.Fatal("a whole frame waits")
		}
	}
	if s.part != nil {
		t.Errorf("%q is left", s.part)
	}
	got := make([]byte, len(wire))
	if _, err := io.ReadFull(client, got); err != nil || !bytes.Equal(got, wire) {
		t.Errorf("%q, %v", got, err)
	}
}

// TestSocket_whole: what is sent and what the library writes at the same time comes out
// whole and each in its own order, be the reader fast or slow.
func TestSocket_whole(t *testing.T) {
	t.Parallel()
	for name, connect := range map[string]func(*testing.T) (*end, net.Conn){
		"pipe": pipeSocket,
		"tcp":  func(t *testing.T) (*end, net.Conn) { return tcpSocket(t) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, client := connect(t)
			const all, each = 20_000, 2_000
			var running sync.WaitGroup
			running.Go(func() {
				for i := 0; i < all; {
					var batch []rooms.Frame
					for range 1 + i%7 {
						batch = append(batch, text(fmt.Sprintf("%d %s", i, strings.Repeat("x", (i*37)%500))))
						i++
					}
					if err := s.sendAll(batch...); err != nil {
						t.Error(err)
						return
					}
				}
			})
			for range 3 {
				running.Go(func() {
					for range each {
						if _, err := s.Write(wholePing); err != nil {
							t.Error(err)
							return
						}
					}
				})
			}
			next, pings := 0, 0
			in := bufio.NewReader(&slowly{r: client})
			for next < all || pings < 3*each {
				op, payload, err := readFrame(in)
				if err != nil {
					t.Fatal(err)
				}
				if op == 0x89 && len(payload) == 0 {
					pings++
					continue
				}
				var i int
				if _, err := fmt.Sscanf(string(payload), "%d", &i); err != nil || op != 0x81 || i != next {
					t.Fatalf("%#x %.20s, want %d: %v", op, payload, next, err)
				}
				next++
			}
			running.Wait()
		})
	}
}

// slowly reads fast, and then a few bytes at a time, in turns.
type slowly struct {
	r io.Reader
	n int
}

func (s *slowly) Read(p []byte) (int, error) {
	if s.n++; s.n/1000%2 == 1 {
		p = p[:min(len(p), 7)]
	}
	return s.r.Read(p)
}

// TestSocket_congested: the library does not wait while a send does, and its frames
// follow; pongs beyond a bound are left out; nothing follows a close frame.
func TestSocket_congested(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, client := pipeSocket(t)
		if all, err := s.send([]rooms.Frame{text("first"), text("second")}); all || err != nil {
			t.Fatal(all, err)
		}
		pong := append([]byte{0x8A, 100}, make([]byte, 100)...)
		for range 1000 {
			if _, err := s.Write(pong); err != nil {
				t.Fatal(err)
			}
		}
		for _, late := range []string{"\x88\x00", "\x89\x00"} {
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
		if err := <-s.free; err != nil {
			t.Error(err)
		}
		if all, err := s.send([]rooms.Frame{text("third")}); !all || err != nil {
			t.Errorf("after the close frame: %v, %v", all, err)
		}
		if want := "0x81 first,0x81 second,0x88 ,"; got.String() != want {
			t.Errorf("got %s, want %s", got.String(), want)
		}
		if pongs == 0 || pongs > maxOwn/len(pong)+1 {
			t.Errorf("%d pongs", pongs)
		}
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
		err := s.sendAll(text(strings.Repeat("x", 60_000)))
		if d := time.Since(begin); !errors.Is(err, errStuck) || d < 1000*time.Second || d > 1120*time.Second {
			t.Fatalf("%v after %v", err, d)
		}
		if _, err := s.send([]rooms.Frame{text("more")}); !errors.Is(err, net.ErrClosed) {
			t.Errorf("a dead socket: %v", err)
		}
		reading.Wait()
	})
}

// TestSocket_rest: what the kernel does not take at once is no copy of what many share.
func TestSocket_rest(t *testing.T) {
	t.Parallel()
	s, client := tcpSocket(t)
	shared := text(strings.Repeat("x", 60_000))
	batch := make([]rooms.Frame, 500)
	for i := range batch {
		batch[i] = shared
	}
	if all, err := s.send(batch); all || err != nil {
		t.Fatal(all, err)
	}
	s.mu.Lock()
	for _, b := range s.rest {
		if end := &b[len(b)-1]; end != &shared.Framed[len(shared.Framed)-1] {
			t.Error("a copy waits")
		}
	}
	s.mu.Unlock()
	if n, err := io.Copy(io.Discard, io.LimitReader(client, int64(len(batch)*len(shared.Framed)))); err != nil {
		t.Fatal(n, err)
	}
	if err := <-s.free; err != nil {
		t.Error(err)
	}
}

func BenchmarkSocket(b *testing.B) {
	for _, k := range []int{1, 16, 64} {
		b.Run(fmt.Sprint(k), func(b *testing.B) {
			s, client := tcpSocket(b)
			go func() { _, _ = io.Copy(io.Discard, client) }()
			batch := make([]rooms.Frame, k)
			for i := range batch {
				batch[i] = text(strings.Repeat("x", 200))
			}
			b.ReportAllocs()
			for b.Loop() {
				if err := s.sendAll(batch...); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
