package bench

import (
	"context"
	"errors"
	"fmt"
	"io"

	"rowcast/bench/load"
)

const (
	// warmUp is how many connections make the server what it is in use. They are not
	// counted.
	warmUp = 200

	// memoryMost is what a connection may keep resident.
	memoryMost = 10_000
)

// memory prints what an idle connection keeps resident.
func (b *bench) memory(ctx context.Context, w io.Writer) error {
	if err := enoughFiles(b.o.Clients + warmUp); err != nil {
		return err
	}
	db, err := b.postgres(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	plain := load.Dial{Paths: roomPaths("/ws?topics=room_%d")}
	joined := load.Dial{Paths: []string{"/ws"}, Protocol: "rowcast.v1", Say: roomPaths(`{"type":"join","ref":1,"topics":["room_%d"]}`), Controls: 2}
	url := db.URL("postgres")
	variants := []struct {
		name string
		ours bool
		load.Dial
		server []string
	}{
		{"the library's documentation: the handler reads", false, plain, []string{handler}},
		{"the library: a goroutine reads, the handler returns", false, plain, []string{reader}},
		{"rowcast, plain, in one room", true, plain, []string{daemon, url}},
		{"rowcast.v1, in one room", true, joined, []string{daemon, url}},
	}
	t := table{title: fmt.Sprintf("Resident memory of an idle connection, of %d, each server in a new process, after a garbage collection", b.o.Clients)}
	t.add("server", "each", "of the library's documentation's")
	must := newTargets()
	var base float64
	for _, v := range variants {
		b.progress("memory: %s", v.name)
		each, err := residentEach(ctx, v.Dial, b.o.Clients, v.server)
		if err != nil {
			return fmt.Errorf("%s: %w", v.name, err)
		}
		if base == 0 {
			base = each
		}
		t.add(v.name, kilobytes(each), fmt.Sprintf("%.2f", each/base))
		if v.ours {
			must.add("resident memory of an idle connection ≤ 10 kB: "+v.name, kilobytes(each), each <= memoryMost)
		}
	}
	if err := t.print(w); err != nil {
		return err
	}
	return must.print(w)
}

func kilobytes(v float64) string { return fmt.Sprintf("%.1f kB", v/1000) }

// someRooms are enough for rooms to cost next to nothing each connection.
const someRooms = 100

// roomPaths writes a format with the number of each room.
func roomPaths(format string) (all []string) {
	for i := range someRooms {
		all = append(all, fmt.Sprintf(format, i))
	}
	return all
}

// residentEach returns by how many bytes idle connections make a server larger,
// each.
func residentEach(ctx context.Context, d load.Dial, n int, args []string) (_ float64, err error) {
	s, err := startServer(ctx, args...)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	client, err := load.Start(ctx)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, client.Close()) }() // first
	d.Address, d.Connections = s.addr, warmUp
	if _, err := client.Dial(d); err != nil {
		return 0, err
	}
	before, err := s.usage()
	if err != nil {
		return 0, err
	}
	d.Connections = n
	if _, err := client.Dial(d); err != nil {
		return 0, err
	}
	after, err := s.usage()
	return float64(after.Resident-before.Resident) / float64(n), err
}
