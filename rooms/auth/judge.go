package auth

import (
	"context"
	"fmt"

	"rowcast/rooms"
)

// Verdict is what came of a wish to join topics.
type Verdict struct {
	Topics []string                // what may be joined, each once
	Denied map[string]rooms.Denial // and why the others may not
	Mark   uint64                  // the hub's, from before the first decision, for rooms.JoinRequest; 0: nothing was decided
}

// Refusal is why not all of the names may be joined, where they are joined as a
// whole or not at all; nil: they may.
func (v Verdict) Refusal(names []string) *Refusal {
	for _, t := range names {
		if d, denied := v.Denied[t]; denied {
			return &Refusal{d.Code, fmt.Sprintf("%.200q: %s", t, d.Message)}
		}
	}
	return nil
}

var (
	forbidden   = rooms.Denial{Code: rooms.Forbidden, Message: "not allowed"}
	unavailable = rooms.Denial{Code: rooms.Unavailable, Message: "cannot be decided now"}
)

// Judge says which of the names somebody may join whose connection is in the
// topics joined. Where the database decides, all the names are asked about at
// once; what is not known within Options.Timeout, or when ctx ends, is
// unavailable. Others who wait for the same answers still get them.
func (g *Gate) Judge(ctx context.Context, id *Identity, names, joined []string) Verdict {
	topics, denied := g.sift(names, joined)
	v := Verdict{Topics: topics, Denied: denied}
	if !g.Open() {
		v = g.decide(ctx, id, v)
	}
	if len(v.Denied) > 0 {
		g.mu.Lock()
		defer g.mu.Unlock()
		for _, d := range v.Denied {
			g.denied[d.Code]++
		}
	}
	return v
}

// decide keeps of the topics of v those that somebody may join.
func (g *Gate) decide(ctx context.Context, id *Identity, v Verdict) Verdict {
	waiting, cancel := context.WithTimeout(ctx, g.o.Timeout)
	defer cancel()
	if g.o.Hub != nil {
		v.Mark = g.o.Hub.Mark()
	}
	asked := make(map[string]*decision, len(v.Topics))
	for _, t := range v.Topics {
		if setting := g.barred(id, t); setting != "" {
			g.refusals.add(setting, rooms.Forbidden)
			v.Denied[t] = forbidden
		} else if g.o.Authorize {
			asked[t] = g.ask(id, t)
		}
	}
	wished := v.Topics
	v.Topics = nil
	for _, t := range wished {
		if d := asked[t]; d != nil {
			if denial, denied := g.await(waiting, d); denied {
				v.Denied[t] = denial
			}
		}
		if _, denied := v.Denied[t]; !denied {
			v.Topics = append(v.Topics, t)
		}
	}
	return v
}

// barred names the setting by which somebody may not join a topic, whatever the
// database says; "" for none.
func (g *Gate) barred(id *Identity, topic string) (setting string) {
	switch {
	case id == nil:
		return "auth.anonymous"
	case id.Topics != nil && !rooms.Covers(id.Topics, topic):
		return "auth.topics_claim"
	case g.o.Authorize:
		return "" // the function sees what was revoked
	case id.Topics == nil:
		return "auth.authorize" // neither grants anything
	case g.o.Hub != nil && g.o.Hub.RevokedSince(id.Subject, topic, id.Issued):
		return "auth.topics_claim" // which is older
	}
	return ""
}

// await waits for a decision, and says why it is no yes.
func (g *Gate) await(ctx context.Context, d *decision) (denial rooms.Denial, denied bool) {
	select {
	case <-d.known:
	case <-ctx.Done():
	}
	select {
	case <-d.known: // in time, though another kept us waiting until now
	default:
		return unavailable, true
	}
	switch {
	case d.err != nil:
		return unavailable, true
	case !d.allowed:
		g.refusals.add("auth.authorize", rooms.Forbidden)
		return forbidden, true
	}
	return rooms.Denial{}, false
}

// ask returns the database's decision: one that holds, or one on its way. No
// asker's context ends the question: the answer is for all who wait.
func (g *Gate) ask(id *Identity, topic string) *decision {
	w := wish{id.digest, topic}
	d, isNew := g.decisions.of(w, g.ledger(id.Subject, topic))
	if !isNew {
		return d
	}
	g.questions.put(question{
		by: w.by,
		ask: func(ctx context.Context) error {
			allowed, err := g.o.Database.Authorize(ctx, topic, id.Claims)
			if err != nil {
				g.failed("auth.authorize", err)
			}
			g.decisions.settle(w, d, allowed, err)
			return err
		},
		drop: func(err error) {
			g.failed("auth.connections", err)
			g.decisions.settle(w, d, false, err)
		},
	})
	return d
}

// ledger is what the hub knows of changes of a subject's right to a topic.
func (g *Gate) ledger(subject, topic string) ledger {
	hub := g.o.Hub
	if hub == nil {
		return ledger{mark: func() uint64 { return 0 }, changed: func(uint64) bool { return false }}
	}
	return ledger{mark: hub.Mark, changed: func(since uint64) bool { return hub.Changed(subject, topic, since) }}
}

// sift looks at the names alone: each once, those that name topics, and no more
// of them than a connection may join.
func (g *Gate) sift(names, joined []string) (topics []string, denied map[string]rooms.Denial) {
	denied = map[string]rooms.Denial{}
	member := make(map[string]bool, len(joined)+len(names))
	for _, t := range joined {
		member[t] = true
	}
	seen := make(map[string]bool, len(names))
	for _, t := range names {
		switch {
		case seen[t]:
			continue
		case !rooms.ValidTopic(t):
			denied[t] = rooms.Denial{Code: rooms.BadTopic, Message: "not a topic name"}
		case !member[t] && len(member) >= g.o.Limits.Topics:
			g.refusals.add("limits.topics_per_connection", rooms.TooManyTopics)
			denied[t] = rooms.Denial{
				Code:    rooms.TooManyTopics,
				Message: fmt.Sprintf("limits.topics_per_connection is %d", g.o.Limits.Topics),
			}
		default:
			member[t] = true
			topics = append(topics, t)
		}
		seen[t] = true
	}
	return topics, denied
}
