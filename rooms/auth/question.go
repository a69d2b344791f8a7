package auth

import (
	"context"
	"errors"
	"sync"
	"time"
)

const (
	maxWaiting = 16 << 10 // questions that wait, in all
	maxLine    = 2 << 10  // and of one asker
)

// errBusy is why a question was not asked.
var errBusy = errors.New("too many questions wait for the database")

// question is one to the database. It is asked, or dropped.
type question struct {
	by   asker
	ask  func(ctx context.Context) error
	drop func(error)

	until time.Time // then nobody waits for the answer any more
}

// questions are those that wait. Each asker has a line, and the lines take
// turns: who asks about endless topics waits for himself. What finds no place in
// its line is dropped.
type questions struct {
	timeout time.Duration // of one
	ready   chan struct{} // holds one token for each question that waits

	mu    sync.Mutex
	over  bool // none is asked any more
	lines map[asker]*line
	turns []*line // whose turn is next; none is empty
	stats QuestionStats
}

type line struct {
	of      asker
	waiting []question
}

// QuestionStats count the questions to the database.
type QuestionStats struct {
	Waiting int           // now
	Asked   uint64        // so far
	Failed  uint64        // of those
	Dropped uint64        // not asked: too many waited, or for too long
	Time    time.Duration // all that those asked took
	Longest time.Duration // the most that one took
}

func newQuestions(timeout time.Duration) *questions {
	return &questions{timeout: timeout, ready: make(chan struct{}, maxWaiting), lines: map[asker]*line{}}
}

// put gives a question a place in its asker's line.
func (q *questions) put(it question) {
	it.until = time.Now().Add(q.timeout)
	if !q.queue(it) {
		it.drop(errBusy)
	}
}

func (q *questions) queue(it question) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	l := q.lines[it.by]
	if q.over || l != nil && len(l.waiting) >= maxLine {
		q.stats.Dropped++
		return false
	}
	select {
	case q.ready <- struct{}{}:
	default:
		q.stats.Dropped++
		return false
	}
	if l == nil {
		l = &line{of: it.by}
		q.lines[it.by] = l
		q.turns = append(q.turns, l)
	}
	l.waiting = append(l.waiting, it)
	return true
}

// next takes the first of the line whose turn it is. There is one for whoever
// took a token from ready.
func (q *questions) next() question {
	q.mu.Lock()
	defer q.mu.Unlock()
	l := q.turns[0]
	q.turns = q.turns[1:]
	it := l.waiting[0]
	l.waiting[0] = question{}
	l.waiting = l.waiting[1:]
	if len(l.waiting) > 0 {
		q.turns = append(q.turns, l)
	} else {
		delete(q.lines, l.of)
	}
	return it
}

// run asks, so many at once, until ctx ends. What waits then is dropped, and
// what comes later.
func (q *questions) run(ctx context.Context, atOnce int) {
	var asking sync.WaitGroup
	for range atOnce {
		asking.Go(func() {
			for {
				select {
				case <-q.ready:
					q.ask(ctx, q.next())
				case <-ctx.Done():
					return
				}
			}
		})
	}
	asking.Wait()
	q.mu.Lock()
	q.over = true
	q.mu.Unlock()
	for {
		select {
		case <-q.ready:
			q.next().drop(errBusy)
		default:
			return
		}
	}
}

func (q *questions) ask(ctx context.Context, it question) {
	begin := time.Now()
	if begin.After(it.until) {
		q.mu.Lock()
		q.stats.Dropped++
		q.mu.Unlock()
		it.drop(errBusy)
		return
	}
	ctx, cancel := context.WithTimeout(ctx, q.timeout)
	defer cancel()
	err := it.ask(ctx)
	took := time.Since(begin)
	q.mu.Lock()
	defer q.mu.Unlock()
	q.stats.Asked++
	if err != nil {
		q.stats.Failed++
	}
	q.stats.Time += took
	q.stats.Longest = max(q.stats.Longest, took)
}

// counts returns the counts of this moment.
func (q *questions) counts() QuestionStats {
	q.mu.Lock()
	defer q.mu.Unlock()
	s := q.stats
	s.Waiting = len(q.ready)
	return s
}
