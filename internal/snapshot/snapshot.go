package snapshot

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// ErrSyntax is returned by Parse for text that is no pg_snapshot, and by
// DecodeCursor for text that is no cursor.
var ErrSyntax = errors.New("invalid snapshot syntax")

// Snapshot is a Postgres snapshot: the set of transactions whose effects it
// sees. The zero value sees nothing. Values are immutable and may be shared.
type Snapshot struct {
	xmax uint64   // every xid at or above it is invisible, the one below it is visible
	xip  []uint64 // invisible xids below xmax, ascending
}

// New returns the snapshot that sees every transaction below xmax except xip.
// Xids of xip at or above xmax say nothing new and are dropped, and so is 0,
// which is no xid. xip is not kept.
func New(xmax uint64, xip ...uint64) Snapshot {
	s := Snapshot{xmax: xmax}
	for _, x := range xip {
		if 0 < x && x < xmax {
			s.xip = append(s.xip, x)
		}
	}
	slices.Sort(s.xip)
	s.xip = slices.Compact(s.xip)
	return s.trim()
}

// trim lowers xmax below the invisible xids that lead up to it, which makes s
// the only value for what it sees.
func (s Snapshot) trim() Snapshot {
	n := len(s.xip)
	for n > 0 && s.xip[n-1] == s.xmax-1 {
		n--
		s.xmax--
	}
	s.xip = s.xip[:n:n]
	if n == 0 {
		s.xip = nil
	}
	return s
}

// Parse reads the text form of pg_snapshot, "xmin:xmax:xip,xip,…"
// (Postgres manual, 9.27.7).
func Parse(text string) (Snapshot, error) {
	parts := strings.Split(text, ":")
	if len(parts) != 3 {
		return Snapshot{}, fmt.Errorf("parse snapshot: %w", ErrSyntax)
	}
	xmin, err1 := strconv.ParseUint(parts[0], 10, 64)
	xmax, err2 := strconv.ParseUint(parts[1], 10, 64)
	if err1 != nil || err2 != nil || xmin > xmax {
		return Snapshot{}, fmt.Errorf("parse snapshot: %w", ErrSyntax)
	}
	s := Snapshot{xmax: xmax}
	if parts[2] == "" {
		return s, nil
	}
	for field := range strings.SplitSeq(parts[2], ",") {
		x, err := strconv.ParseUint(field, 10, 64)
		if err != nil || x == 0 || x < xmin || x >= xmax || len(s.xip) > 0 && x <= s.xip[len(s.xip)-1] {
			return Snapshot{}, fmt.Errorf("parse snapshot: %w", ErrSyntax)
		}
		s.xip = append(s.xip, x)
	}
	return s.trim(), nil
}

// String returns the text form that Postgres reads as pg_snapshot. (Postgres
// refuses that of the zero value: an xid is at least 1.)
func (s Snapshot) String() string {
	b := strconv.AppendUint(nil, s.Xmin(), 10)
	b = append(b, ':')
	b = strconv.AppendUint(b, s.xmax, 10)
	b = append(b, ':')
	for i, x := range s.xip {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendUint(b, x, 10)
	}
	return string(b)
}

// Xmin returns the lowest invisible xid: everything below it is visible.
func (s Snapshot) Xmin() uint64 {
	if len(s.xip) > 0 {
		return s.xip[0]
	}
	return s.xmax
}

// Xmax returns the xid from which on nothing is visible.
func (s Snapshot) Xmax() uint64 { return s.xmax }

// InProgress returns the invisible xids below Xmax, ascending. The slice must
// not be changed.
func (s Snapshot) InProgress() []uint64 { return s.xip }

// Visible reports whether the snapshot sees the effects of xid.
func (s Snapshot) Visible(xid uint64) bool {
	if xid >= s.xmax {
		return false
	}
	_, inProgress := slices.BinarySearch(s.xip, xid)
	return !inProgress
}

// Within reports whether t sees everything that s sees (s ≤ t).
func (s Snapshot) Within(t Snapshot) bool {
	if s.xmax > t.xmax {
		return false
	}
	for _, x := range t.xip {
		if x >= s.xmax {
			break
		}
		if s.Visible(x) {
			return false
		}
	}
	return true
}

// Equal reports whether s and t see the same transactions.
func (s Snapshot) Equal(t Snapshot) bool {
	return s.xmax == t.xmax && slices.Equal(s.xip, t.xip)
}

// Join returns the smallest snapshot that sees everything s sees and
// everything t sees.
func (s Snapshot) Join(t Snapshot) Snapshot {
	var xip []uint64
	for _, x := range s.xip {
		if !t.Visible(x) {
			xip = append(xip, x)
		}
	}
	for _, x := range t.xip {
		if !s.Visible(x) {
			xip = append(xip, x)
		}
	}
	return New(max(s.xmax, t.xmax), xip...)
}

// Below returns s without what it sees at or above xmax.
func (s Snapshot) Below(xmax uint64) Snapshot {
	if xmax >= s.xmax {
		return s
	}
	n, _ := slices.BinarySearch(s.xip, xmax)
	return Snapshot{xmax: xmax, xip: s.xip[:n]}.trim()
}
