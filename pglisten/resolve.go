package pglisten

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
)

// errUnknownWatch: the log names a watch that the table rowcast.watch no longer
// has.
var errUnknownWatch = errors.New("unknown watch")

// resolve sets a change's watch. A watch or column that the catalogue does not
// know was made after it was loaded, so it is loaded anew, once per name: a
// column may as well have been dropped since.
func (r *reader) resolve(ctx context.Context, c *Change, id int32) error {
	name := r.unknown(c, id)
	if name != "" && !r.stale[name] {
		if err := r.reload(ctx); err != nil {
			return err
		}
		if name = r.unknown(c, id); name != "" {
			r.stale[name] = true
		}
	}
	c.Watch = r.catalogue.watches[id]
	if c.Watch == nil && c.Err == nil {
		c.Err = fmt.Errorf("%w %d", errUnknownWatch, id)
	}
	if c.Err != nil {
		r.s.log.Error("unreadable log row", "id", c.ID, "watch", id, "err", c.Err)
	}
	return nil
}

// unknown names what the catalogue does not know of a change, "" for nothing.
func (r *reader) unknown(c *Change, id int32) string {
	w := r.catalogue.watches[id]
	if w == nil {
		return strconv.Itoa(int(id))
	}
	for _, row := range [][]byte{c.New, c.Old} {
		if key, found := w.unknownKey(row); found {
			return strconv.Itoa(int(id)) + "." + key
		}
	}
	return ""
}

// reload loads the catalogue now, over another connection: the reader's own may
// be in the middle of a reading.
func (r *reader) reload(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, statementTimeout)
	defer cancel()
	a := aside{s: r.s}
	defer a.close(ctx)
	conn, err := a.use(ctx)
	if err != nil {
		return err
	}
	fresh, err := loadCatalogue(ctx, conn)
	if err != nil {
		return err
	}
	r.exchange(fresh)
	return nil
}

// exchange puts a newer catalogue in place. What it no longer holds stays: a
// batch at hand may name it. So does what was known of a table now gone.
func (r *reader) exchange(fresh *catalogue) {
	if r.catalogue != nil {
		for id, old := range r.catalogue.watches {
			w := fresh.watches[id]
			if w == nil || w.Table == "" {
				fresh.watches[id] = old
			}
		}
	}
	r.catalogue, r.stale = fresh, map[string]bool{}
}

// adopt takes what the chores loaded and tells of watches that lost what they
// live on, or have it again: what was written in between was missed.
func (r *reader) adopt(ctx context.Context, fresh *catalogue) error {
	if fresh.loaded.After(r.catalogue.loaded) {
		r.exchange(fresh)
	}
	if fresh.epoch != r.epoch && fresh.loaded.After(r.since) {
		return errOtherEpoch
	}
	return r.report(ctx)
}

// errOtherEpoch ends a session; the next one begins in the new epoch.
var errOtherEpoch = errors.New("another instance began a new epoch")

// report tells sink of each watch whose faults changed.
func (r *reader) report(ctx context.Context) error {
	now := r.catalogue.faults
	r.s.stats.edit(func(s *Stats) { s.Watches, s.Drifted = r.catalogue.live, len(now) })
	for _, id := range slices.Sorted(maps.Keys(r.catalogue.watches)) {
		w, fault, before := r.catalogue.watches[id], now[id], r.reported[id]
		if fault == before {
			continue
		}
		r.reported[id] = fault
		log := r.s.log.With("watch", id, "table", w.Schema+"."+w.Table)
		if fault != "" {
			log.Error("watch is not whole", "state", fault)
		} else {
			log.Info("watch is whole again")
		}
		loss := Loss{Watch: w, At: r.cursor}
		if err := r.sink.Lost(context.WithoutCancel(ctx), loss); err != nil {
			return &sinkError{err}
		}
	}
	return nil
}
