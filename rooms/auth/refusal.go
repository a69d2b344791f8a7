package auth

import (
	"log/slog"
	"sync"
	"time"

	"rowcast/rooms"
)

// Refusal is why somebody may not come in, or may not stay, as they are told.
type Refusal struct {
	Code    rooms.Code
	Message string
}

// quiet is how long the log hears no more of the same.
const quiet = 10 * time.Second

// refusals counts what was refused, by the setting and the code, and writes it to
// the log: at once, and in a storm one line every 10 s, which says how many were
// left out before it.
type refusals struct {
	log *slog.Logger

	mu sync.Mutex
	of map[cause]*tally
}

type cause struct {
	setting string
	code    rooms.Code
}

type tally struct {
	count uint64
	told  time.Time
	left  uint64 // out of the log since
}

// add counts one. What attrs say comes from this process: nothing of a request
// that was not parsed.
func (r *refusals) add(setting string, code rooms.Code, attrs ...any) {
	left, tell := r.count(cause{setting, code}, time.Now())
	if !tell {
		return
	}
	attrs = append([]any{slog.String("setting", setting), slog.String("code", string(code))}, attrs...)
	if left > 0 {
		attrs = append(attrs, slog.Uint64("left_out", left))
	}
	switch code {
	case rooms.Unauthenticated, rooms.TokenExpired: // every day's
		r.log.Info("refused", attrs...)
	default:
		r.log.Warn("refused", attrs...)
	}
}

func (r *refusals) count(c cause, now time.Time) (left uint64, tell bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	of := r.of[c]
	if of == nil {
		of = &tally{}
		r.of[c] = of
	}
	of.count++
	if now.Sub(of.told) < quiet {
		of.left++
		return 0, false
	}
	left, of.told, of.left = of.left, now, 0
	return left, true
}

// counts returns what was refused so far, by the setting.
func (r *refusals) counts() map[string]uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	sums := map[string]uint64{}
	for c, of := range r.of {
		sums[c.setting] += of.count
	}
	return sums
}
