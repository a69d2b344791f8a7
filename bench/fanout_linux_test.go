package bench_test

import (
	"context"
	"io"
	"os"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"rowcast/bench"
	"rowcast/bench/load"
)

func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == load.Command {
		if err := load.Serve(os.Stdin, os.Stdout); err != nil {
			panic(err)
		}
		return
	}
	if len(os.Args) > 1 && os.Args[1] == bench.ServerCommand {
		if err := bench.Serve(context.Background(), os.Args[2:], os.Stdin, os.Stdout); err != nil {
			panic(err)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

// TestFanout: each contender brings every event to everybody, or a wave would not
// come, and all tables are filled.
func TestFanout(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	err := bench.Run(t.Context(), &out, bench.Options{Only: "fanout", Rooms: []int{3}, Events: []int{1, 2}, Rounds: 1, Samples: 3, Deliveries: 100})
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []string{"| 3    | 1         |", "| 3    | 2         |", "| 10   | 16 each 4ms  | rowcast ", "p50 in a small room"} {
		if !strings.Contains(out.String(), row) {
			t.Errorf("no %q in\n%s", row, &out)
		}
	}
	if strings.Contains(out.String(), "–") {
		t.Error("not measured:", &out)
	}
}

func TestFanout_too_large(t *testing.T) {
	t.Parallel()
	err := bench.Run(t.Context(), io.Discard, bench.Options{Only: "fanout", Rooms: []int{1 << 30}})
	if err == nil || !strings.Contains(err.Error(), "ulimit -n") {
		t.Error(err)
	}
}
