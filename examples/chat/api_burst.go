package chat

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"
)

const (
	maxBurst     = 2000
	maxPerSecond = 1000
)

// burst is an order for many messages, each in a transaction of its own.
type burst struct {
	TopicID   ID     `json:"topic_id"`
	Count     int    `json:"count"`
	PerSecond int    `json:"per_second"`
	Author    string `json:"author"`
}

// Run writes the bursts that are ordered. It returns when ctx has ended and the
// last of them has stopped.
func (a *API) Run(ctx context.Context) error {
	var writers sync.WaitGroup
	defer writers.Wait()
	defer close(a.ended)
	for {
		select {
		case b := <-a.jobs:
			writers.Go(func() { a.writeBurst(ctx, b) })
		case <-ctx.Done():
			return nil
		}
	}
}

// createBurst orders one. A topic has one at a time.
func (a *API) createBurst(r *http.Request) (reply, error) {
	var b burst
	if err := decode(r, &b); err != nil {
		return reply{}, err
	}
	if b.Count < 1 || b.Count > maxBurst || b.PerSecond < 1 || b.PerSecond > maxPerSecond {
		limits := fmt.Sprintf("count is 1 to %d, per_second 1 to %d", maxBurst, maxPerSecond)
		return reply{}, refusal{http.StatusUnprocessableEntity, limits}
	}
	if err := text("author", b.Author, maxName); err != nil {
		return reply{}, err
	}
	if err := a.admit(r, b.TopicID); err != nil {
		return reply{}, err
	}
	if !a.take(b.TopicID) {
		return reply{}, refusal{http.StatusConflict, "this topic has a burst already"}
	}
	select {
	case a.jobs <- b:
		return reply{status: http.StatusAccepted, body: b}, nil
	case <-a.ended:
		a.free(b.TopicID)
		return reply{}, refusal{http.StatusServiceUnavailable, "shutting down"}
	case <-r.Context().Done():
		a.free(b.TopicID)
		return reply{}, r.Context().Err()
	}
}

func (a *API) take(topic ID) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.busy[topic] {
		return false
	}
	a.busy[topic] = true
	return true
}

func (a *API) free(topic ID) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.busy, topic)
}

// writeBurst writes it. A statement alone is a transaction.
func (a *API) writeBurst(ctx context.Context, b burst) {
	defer a.free(b.TopicID)
	err := pace(ctx, b.Count, b.PerSecond, func(n int) error {
		_, err := a.db.Exec(ctx, "INSERT INTO messages (topic_id, author, content) VALUES ($1, $2, $3)",
			b.TopicID, b.Author, fmt.Sprintf("%d of %d", n, b.Count))
		return err
	})
	if err != nil && ctx.Err() == nil {
		a.log.Error("burst", "err", err)
	}
}

// pace calls do with 1 to count, so many times a second. What a slow call has
// delayed is made up for.
func pace(ctx context.Context, count, perSecond int, do func(n int) error) error {
	interval := time.Second / time.Duration(perSecond)
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	began := time.Now()
	for n := 1; n <= count; {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return ctx.Err()
		}
		for due := int(time.Since(began) / interval); n <= min(due, count); n++ {
			if err := do(n); err != nil {
				return err
			}
		}
	}
	return nil
}
