package pglisten

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// errUnknownWatch: the log names a watch that the table rowcast.watch no longer
// has.
var errUnknownWatch = errors.New("unknown watch")

// resolve sets a change's watch. A watch or column that the catalogue does not
// know was made after it was loaded, so it is loaded anew, once per name: a
// column may as well have been dropped since.
func (r *reader) resolve(ctx context.Context, c *Change, id int32) error {
	if _, found := r.unknown(c, id); found {
		if err := r.reload(ctx); err != nil {
			return err
		}
		for what, found := r.unknown(c, id); found; what, found = r.unknown(c, id) {
			r.stale[what] = true
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

// name is what a log row may name: a watch, or with a column's name that.
type name struct {
	watch  int32
	column string
}

// unknown returns something a change names that the catalogue does not know,
// though it may if it is loaded anew.
func (r *reader) unknown(c *Change, id int32) (what name, found bool) {
	w := r.catalogue.watches[id]
	if w == nil {
		what = name{watch: id}
		return what, !r.stale[what]
	}
	stale := func(key string) bool { return r.stale[name{id, key}] }
	for _, row := range [][]byte{c.New, c.Old} {
		if key, found := w.unknownKey(row, stale); found {
			return name{id, key}, true
		}
	}
	return name{}, false
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
	if tell := r.s.o.Watches; tell != nil {
		tell(fresh.live)
	}
	if r.catalogue != nil {
		for id, old := range r.catalogue.watches {
			w := fresh.watches[id]
			if w == nil || w.Table == "" {
				fresh.watches[id] = old
			}
		}
	}
	r.catalogue, r.stale = fresh, map[name]bool{}
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
	r.s.stats.watches(r.catalogue)
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
