package snapshot_test

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"rowcast/internal/snapshot"
)

func TestCursor(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c := snapshot.Cursor{
			Epoch:    rapid.StringMatching(`[a-z0-9]{0,32}`).Draw(t, "epoch"),
			Snapshot: rapid.OneOf(small(), large()).Draw(t, "snapshot"),
		}
		text := c.Encode()
		if len(text) > snapshot.MaxCursor {
			t.Fatalf("%d bytes", len(text))
		}
		got, err := snapshot.DecodeCursor(text)
		if err != nil {
			t.Fatal(err)
		}
		if got.Epoch != c.Epoch {
			t.Errorf("the epoch became %q", got.Epoch)
		}
		if !got.Snapshot.Within(c.Snapshot) {
			t.Errorf("%v became %v, which sees more", c.Snapshot, got.Snapshot)
		}
		// No more is cut than must be: what is seen is seen up to xmax.
		if !got.Snapshot.Equal(c.Snapshot.Below(got.Snapshot.Xmax())) {
			t.Errorf("%v became %v, with a hole", c.Snapshot, got.Snapshot)
		}
		if again := got.Encode(); again != text {
			t.Errorf("%s became %s", text, again)
		}
	})
}

func TestCursor_is_coarse_only_where_it_must(t *testing.T) {
	t.Parallel()
	running := func(n int) snapshot.Cursor {
		xip := make([]uint64, n)
		for i := range xip {
			xip[i] = 1000 + 2*uint64(i)
		}
		return snapshot.Cursor{Epoch: "k3f9", Snapshot: snapshot.New(1_000_000, xip...)}
	}
	// 384 bytes hold 5 of epoch, 3 of xmax, 2 of the first xid and one for each
	// other: 375 xids, and the 376th, which is 1750, becomes xmax.
	for n, want := range map[int]uint64{0: 1_000_000, 1: 1_000_000, 375: 1_000_000, 376: 1750, 10_000: 1750} {
		c := running(n)
		got, err := snapshot.DecodeCursor(c.Encode())
		if err != nil {
			t.Fatal(err)
		}
		if !got.Snapshot.Equal(c.Snapshot.Below(want)) {
			t.Errorf("%d running: got xmax %d and %d running", n, got.Snapshot.Xmax(), len(got.Snapshot.InProgress()))
		}
	}
}

// foreign is what no Encode wrote.
func foreign() map[string]string {
	raw := func(b ...byte) string { return base64.RawURLEncoding.EncodeToString(b) }
	good := snapshot.Cursor{Epoch: "k3f9", Snapshot: snapshot.New(20, 10, 15)}.Encode()
	return map[string]string{
		"nothing":               "",
		"no base64":             "%%%%",
		"padding":               good + "=",
		"a line break":          good[:4] + "\n" + good[4:],
		"bits left over":        "AAB",
		"an epoch cut short":    raw(4, 'k', '3'),
		"an epoch too long":     raw(append([]byte{33}, make([]byte, 40)...)...),
		"no xmax":               raw(0),
		"an xmax cut short":     raw(0, 0x80),
		"an xmax over 64 bits":  raw(append([]byte{0}, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f)...),
		"a long form of xmax":   raw(0, 0x85, 0),
		"the same xid twice":    raw(0, 20, 10, 0),
		"running at xmax":       raw(0, 20, 20),
		"running above xmax":    raw(0, 20, 10, 15),
		"running below xmax":    raw(0, 20, 19),
		"differences that wrap": raw(append(binary.AppendUvarint([]byte{0, 20, 10}, 1<<64-5), 1)...),
		"too long":              strings.Repeat("A", snapshot.MaxCursor+1),
		"huge":                  strings.Repeat("A", 1<<20),
	}
}

func TestDecodeCursor_refuses(t *testing.T) {
	t.Parallel()
	for name, text := range foreign() {
		if c, err := snapshot.DecodeCursor(text); !errors.Is(err, snapshot.ErrSyntax) {
			t.Errorf("%s: got %v, %v", name, c, err)
		}
	}
}

func FuzzDecodeCursor(f *testing.F) {
	for _, text := range foreign() {
		f.Add(text)
	}
	f.Add(snapshot.Cursor{Epoch: "k3f9", Snapshot: snapshot.New(20, 10, 15)}.Encode())
	f.Fuzz(func(t *testing.T, text string) {
		c, err := snapshot.DecodeCursor(text)
		if err != nil {
			if !errors.Is(err, snapshot.ErrSyntax) {
				t.Errorf("got %v", err)
			}
			return
		}
		if again := c.Encode(); again != text {
			t.Errorf("%q became %q", text, again)
		}
	})
}

func BenchmarkCursor(b *testing.B) {
	for name, running := range map[string]int{"quiet": 0, "busy": 16, "cut": 1000} {
		xip := make([]uint64, running)
		for i := range xip {
			xip[i] = 5_000_000_000 + 3*uint64(i)
		}
		c := snapshot.Cursor{Epoch: "k3f9", Snapshot: snapshot.New(5_000_010_000, xip...)}
		text := c.Encode()
		b.Run("encode/"+name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				c.Encode()
			}
		})
		b.Run("decode/"+name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := snapshot.DecodeCursor(text); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("visible/"+name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				c.Snapshot.Visible(5_000_000_100)
			}
		})
		b.Run("within/"+name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				c.Snapshot.Within(c.Snapshot)
			}
		})
	}
}
