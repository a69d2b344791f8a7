package oracle

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestSnapshot(t *testing.T) {
	t.Parallel()
	s := snap(t, "10:20:15,10,17")
	var seen []uint64
	for xid := uint64(8); xid < 22; xid++ {
		if s.Sees(xid) {
			seen = append(seen, xid)
		}
	}
	if want := []uint64{8, 9, 11, 12, 13, 14, 16, 18, 19}; !slices.Equal(seen, want) {
		t.Errorf("sees %v, want %v", seen, want)
	}
	if s.Xmax() != 20 {
		t.Errorf("xmax %d", s.Xmax())
	}
	if text := s.String(); text != "10:20:10,15,17" {
		t.Errorf("is written %s", text)
	}
	if (Snapshot{}).Sees(3) {
		t.Error("the zero snapshot sees something")
	}
	for _, text := range []string{"", "10:20", "10:20:1:2", "x:20:", "10:x:", "20:10:", "10:20:9", "10:20:20", "10:20:x", "10:20:,"} {
		if _, err := ParseSnapshot(text); err == nil {
			t.Errorf("%q was understood", text)
		}
	}
}

// TestHorizon holds it against what it stands for: each of the snapshots.
func TestHorizon(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var h horizon
		var all []Snapshot
		for range rapid.IntRange(0, 6).Draw(t, "snapshots") {
			xmin := rapid.Uint64Range(1, 12).Draw(t, "xmin")
			s := Snapshot{xmin: xmin, xmax: xmin + rapid.Uint64Range(0, 8).Draw(t, "width")}
			for xid := s.xmin; xid < s.xmax; xid++ {
				if rapid.Bool().Draw(t, "runs") {
					s.running = append(s.running, xid)
				}
			}
			all = append(all, s)
			h.add(s)
		}
		for xid := uint64(1); xid < 25; xid++ {
			want := slices.ContainsFunc(all, func(s Snapshot) bool { return s.Sees(xid) })
			if h.sees(xid) != want {
				t.Fatalf("%v: sees %d is %v", all, xid, !want)
			}
		}
	})
}

func snap(t testing.TB, text string) Snapshot {
	t.Helper()
	s, err := ParseSnapshot(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
