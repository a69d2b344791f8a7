package snapshot_test

import (
	"errors"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"rowcast/internal/pgtemp/pgtest"
	"rowcast/internal/snapshot"
)

func TestMain(m *testing.M) { pgtest.Main(m, nil) }

// universe is the highest xid that the naive model knows. Nothing above it is
// visible in a snapshot of the generator small.
const universe = 12

// set is the naive model: the visible xids, spelled out. There is no xid 0.
type set [universe + 1]bool

func model(s snapshot.Snapshot) (visible set) {
	for x := 1; x <= universe; x++ {
		visible[x] = s.Visible(uint64(x))
	}
	return visible
}

func (a set) within(b set) bool {
	for x := range a {
		if a[x] && !b[x] {
			return false
		}
	}
	return true
}

func (a set) join(b set) set {
	for x := range a {
		a[x] = a[x] || b[x]
	}
	return a
}

func (a set) below(xmax uint64) set {
	for x := range a {
		a[x] = a[x] && uint64(x) < xmax
	}
	return a
}

// small draws from few xids, so that snapshots meet, nest and coincide.
func small() *rapid.Generator[snapshot.Snapshot] {
	return rapid.Custom(func(t *rapid.T) snapshot.Snapshot {
		return snapshot.New(
			rapid.Uint64Range(1, universe+1).Draw(t, "xmax"),
			rapid.SliceOfN(rapid.Uint64Range(1, universe), 0, universe).Draw(t, "xip")...)
	})
}

// large draws from all xids and may have more running than a cursor can hold.
func large() *rapid.Generator[snapshot.Snapshot] {
	return rapid.Custom(func(t *rapid.T) snapshot.Snapshot {
		x := rapid.Uint64Range(1, 1<<62).Draw(t, "xmin")
		gap := rapid.SampledFrom([]uint64{1, 3, 200, 1 << 20, 1 << 50}).Draw(t, "gap")
		var xip []uint64
		for _, step := range rapid.SliceOfN(rapid.Uint64Range(1, gap), 0, 400).Draw(t, "steps") {
			xip = append(xip, x)
			x += step
		}
		return snapshot.New(x, xip...)
	})
}

func TestNew(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		xmax := rapid.Uint64Range(0, universe+1).Draw(t, "xmax")
		xip := rapid.SliceOf(rapid.Uint64Range(0, universe)).Draw(t, "xip")
		given := slices.Clone(xip)
		s := snapshot.New(xmax, xip...)
		for x := uint64(1); x <= universe; x++ {
			if want := x < xmax && !slices.Contains(xip, x); s.Visible(x) != want {
				t.Fatalf("%v sees %d: %v", s, x, !want)
			}
		}
		if slices.Contains(s.InProgress(), 0) {
			t.Fatalf("%v has an xid 0", s)
		}
		if !slices.Equal(xip, given) {
			t.Fatal("the argument was changed")
		}
	})
}

func TestSnapshot_is_a_set(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, b := small().Draw(t, "a"), small().Draw(t, "b")
		xmax := rapid.Uint64Range(0, universe+1).Draw(t, "below")
		if got, want := a.Within(b), model(a).within(model(b)); got != want {
			t.Errorf("Within: got %v", got)
		}
		if got, want := a.Equal(b), model(a) == model(b); got != want {
			t.Errorf("Equal: got %v", got)
		}
		if got, want := model(a.Join(b)), model(a).join(model(b)); got != want {
			t.Errorf("Join: got %v", a.Join(b))
		}
		if got, want := model(a.Below(xmax)), model(a).below(xmax); got != want {
			t.Errorf("Below %d: got %v", xmax, a.Below(xmax))
		}
	})
}

// TestSnapshot_has_one_value_for_each_set: every way to make a snapshot gives
// the same value as New with the same visible xids.
func TestSnapshot_has_one_value_for_each_set(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, b := small().Draw(t, "a"), small().Draw(t, "b")
		parsed, err := snapshot.Parse(a.String())
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range []snapshot.Snapshot{a, a.Join(b), a.Below(b.Xmax()), parsed} {
			if s.Xmax() > 1 && !s.Visible(s.Xmax()-1) {
				t.Errorf("%v: nothing is visible right below xmax", s)
			}
			for _, x := range s.InProgress() {
				if s.Visible(x) || x < s.Xmin() || x >= s.Xmax() {
					t.Errorf("%v: running is %d", s, x)
				}
			}
		}
	})
}

func TestSnapshot_laws(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		either := rapid.OneOf(small(), large())
		a, b, c := either.Draw(t, "a"), either.Draw(t, "b"), either.Draw(t, "c")
		join := a.Join(b)
		for name, law := range map[string]bool{
			"a ≤ a":                   a.Within(a),
			"nothing ≤ a":             snapshot.Snapshot{}.Within(a),
			"a ≤ b ≤ a: a = b":        !a.Within(b) || !b.Within(a) || a.Equal(b),
			"a ≤ b ≤ c: a ≤ c":        !a.Within(b) || !b.Within(c) || a.Within(c),
			"a ≤ a∪b":                 a.Within(join),
			"a∪b = b∪a":               join.Equal(b.Join(a)),
			"a∪a = a":                 a.Join(a).Equal(a),
			"a∪(b∪c) = (a∪b)∪c":       a.Join(b.Join(c)).Equal(join.Join(c)),
			"a, b ≤ c: a∪b ≤ c":       !a.Within(c) || !b.Within(c) || join.Within(c),
			"a ≤ b is a∪b = b":        a.Within(b) == join.Equal(b),
			"a below x ≤ a":           a.Below(b.Xmax()).Within(a),
			"a below xmax = a":        a.Below(a.Xmax()).Equal(a),
			"(a∪b) below x: each cut": join.Below(c.Xmax()).Equal(a.Below(c.Xmax()).Join(b.Below(c.Xmax()))),
		} {
			if !law {
				t.Error(name)
			}
		}
	})
}

func TestParse(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := large().Draw(t, "snapshot")
		again, err := snapshot.Parse(s.String())
		if err != nil {
			t.Fatal(err)
		}
		if !again.Equal(s) {
			t.Fatalf("%v became %v", s, again)
		}
	})
}

func TestParse_reads_what_Postgres_writes(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]snapshot.Snapshot{
		"10:10:":      snapshot.New(10),
		"10:20:":      snapshot.New(20), // xmin of the asking transaction itself, which is not listed
		"10:20:10,15": snapshot.New(20, 10, 15),
		"10:20:15,19": snapshot.New(19, 15),
		"3:18446744073709551615:18446744073709551613": snapshot.New(1<<64-1, 1<<64-3),
	} {
		if got, err := snapshot.Parse(text); err != nil || !got.Equal(want) {
			t.Errorf("%s: got %v, %v", text, got, err)
		}
	}
}

func TestParse_refuses(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", ":", "::", "10:20", "10:20:15:", "a:20:", "10:b:", "-1:20:", "+1:20:", "10: 20:", "0x1:20:", "1_0:20:",
		"20:10:", "0:5:0", "10:20:9", "10:20:20", "10:20:15,12", "10:20:15,15", "10:20:15,", "10:20:,15", "10:20:x",
		"10:18446744073709551616:",
	} {
		if s, err := snapshot.Parse(text); !errors.Is(err, snapshot.ErrSyntax) {
			t.Errorf("%q: got %v, %v", text, s, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("10:20:10,15")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := snapshot.Parse(text)
		if err != nil {
			return
		}
		if again, err := snapshot.Parse(s.String()); err != nil || !again.Equal(s) {
			t.Errorf("%v became %v, %v", s, again, err)
		}
	})
}
