package oracle

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Snapshot says which transactions had ended: the value of pg_current_snapshot()
// (Postgres manual, 9.28.10). Its zero value sees nothing.
type Snapshot struct {
	xmin, xmax uint64
	running    []uint64 // sorted; of [xmin, xmax)
}

// ParseSnapshot reads "xmin:xmax:xip,xip".
func ParseSnapshot(text string) (Snapshot, error) {
	parts := strings.Split(text, ":")
	if len(parts) != 3 {
		return Snapshot{}, fmt.Errorf("snapshot %q: not xmin:xmax:xip", text)
	}
	var s Snapshot
	var err error
	if s.xmin, err = strconv.ParseUint(parts[0], 10, 64); err != nil {
		return Snapshot{}, fmt.Errorf("snapshot %q: xmin: %w", text, err)
	}
	if s.xmax, err = strconv.ParseUint(parts[1], 10, 64); err != nil {
		return Snapshot{}, fmt.Errorf("snapshot %q: xmax: %w", text, err)
	}
	if s.xmax < s.xmin {
		return Snapshot{}, fmt.Errorf("snapshot %q: xmax before xmin", text)
	}
	if parts[2] == "" {
		return s, nil
	}
	for part := range strings.SplitSeq(parts[2], ",") {
		xid, err := strconv.ParseUint(part, 10, 64)
		if err != nil {
			return Snapshot{}, fmt.Errorf("snapshot %q: xip: %w", text, err)
		}
		if xid < s.xmin || xid >= s.xmax {
			return Snapshot{}, fmt.Errorf("snapshot %q: xip %d out of bounds", text, xid)
		}
		s.running = append(s.running, xid)
	}
	slices.Sort(s.running)
	return s, nil
}

// Sees is whether a transaction had ended.
func (s Snapshot) Sees(xid uint64) bool {
	if xid < s.xmin || xid >= s.xmax {
		return xid < s.xmin
	}
	_, running := slices.BinarySearch(s.running, xid)
	return !running
}

// Xmax is the first transaction that had not begun: neither it nor a later one is seen.
func (s Snapshot) Xmax() uint64 { return s.xmax }

// String is the snapshot as Postgres writes it.
func (s Snapshot) String() string {
	running := make([]string, len(s.running))
	for i, xid := range s.running {
		running[i] = strconv.FormatUint(xid, 10)
	}
	return fmt.Sprintf("%d:%d:%s", s.xmin, s.xmax, strings.Join(running, ","))
}
