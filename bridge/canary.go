package bridge

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"rowcast/pglisten"
	"rowcast/rooms"
)

// canaryTopic is the hidden room's: the one topic of the watch of rowcast.canary.
const canaryTopic = "$canary"

// canary waits at the end of the road for what the source writes at its beginning:
// a row that is captured, logged, rung for, read, translated and published as any
// other. Sockets can be fine, and the log be read, while nothing is captured.
type canary struct {
	instance string
	every    time.Duration
	source   *pglisten.Source
	hub      *rooms.Hub

	mu   sync.Mutex
	last time.Time // when the newest that came back was written; before the first, when Run began
	took time.Duration
}

// canaryFigures are for metrics.
type canaryFigures struct{ took, overdue time.Duration }

func newCanary(o pglisten.Options, s *pglisten.Source, hub *rooms.Hub) *canary {
	return &canary{instance: o.Canary, every: o.Inspect, source: s, hub: hub}
}

// newInstance returns a name that no instance has had, and that tells a person
// which it is.
func newInstance() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return fmt.Sprintf("%.100s %d %s", strings.ToValidUTF8(host, ""), os.Getpid(), rand.Text()[:8])
}

// Run listens until ctx ends.
func (c *canary) Run(ctx context.Context) error {
	s, err := c.hub.Subscribe(rooms.SubscriberOptions{Hidden: true})
	if err != nil {
		return err
	}
	defer s.Close(nil)
	if err := s.Join(ctx, rooms.JoinRequest{Topics: []string{canaryTopic}}); err != nil {
		return err
	}
	c.back(time.Now(), 0)
	var frames []rooms.Frame
	for {
		if frames, err = s.Next(ctx, frames); err != nil {
			return err
		}
		for _, f := range frames {
			c.hear(f.Data)
		}
	}
}

// hear takes an event. Those of other instances are heard, too.
func (c *canary) hear(event []byte) {
	var e struct {
		Payload struct {
			Canary struct {
				Instance string `json:"instance"`
				Note     int64  `json:"note,string"`
			} `json:"canary"`
		} `json:"payload"`
	}
	// An event that is none of ours, or no longer what it was, is one that has not come.
	if json.Unmarshal(event, &e) == nil && e.Payload.Canary.Instance == c.instance {
		took := c.source.Sung(e.Payload.Canary.Note)
		c.back(time.Now().Add(-took), took)
	}
}

func (c *canary) back(written time.Time, took time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last, c.took = written, took
}

// overdue is how late the next canary is. While nobody was connected none could
// come: it is waited for anew.
func (c *canary) overdue() time.Duration { return c.figures().overdue }

func (c *canary) figures() canaryFigures {
	attached := c.source.Stats().Attached
	c.mu.Lock()
	defer c.mu.Unlock()
	f := canaryFigures{took: c.took}
	if !c.last.IsZero() {
		f.overdue = max(0, min(time.Since(c.last), time.Since(attached))-c.every)
	}
	return f
}

// diagnose says why it does not come, as far as is known, and what to do.
func (c *canary) diagnose(s pglisten.CanaryStats) error {
	late := c.overdue().Round(time.Second)
	switch {
	case s.Err != nil:
		return fmt.Errorf("the canary could not be written for %v: %s", late, strings.Join(strings.Fields(s.Err.Error()), " "))
	case s.Fault != "":
		return fmt.Errorf("the canary is %v late, for it is not captured: %s (put the triggers of rowcast.canary back as rowcast migrate print has them)", late, s.Fault)
	}
	return fmt.Errorf("the canary is %v late: what is written does not come through "+
		"(compare the functions of the schema rowcast with those of rowcast migrate print; if they are whole, restart this instance)", late)
}
