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
	Mark   uint64                  // of the hub, from before the first decision: for rooms.JoinRequest
}

// Refusal is why not all of the names may be joined, where they are joined as a
// whole or not at all; nil: they may.
func (v Verdict) Refusal(names []string) *Refusal {
	for _, t := range names {
		if d, denied := v.Denied[t]; denied {
			return &Refusal{Code: d.Code, Message: fmt.Sprintf("%.200q: %s", t, d.Message)}
		}
	}
	return nil
}

// Judge says which of the names somebody may join whose connection is in the
// topics joined. It asks the database where it must, and answers within
// Options.Timeout.
func (g *Gate) Judge(_ context.Context, _ *Identity, names, joined []string) Verdict {
	topics, denied := g.sift(names, joined)
	return Verdict{Topics: topics, Denied: denied}
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
		case !member[t] && len(member) >= g.limits.Topics:
			denied[t] = rooms.Denial{
				Code:    rooms.TooManyTopics,
				Message: fmt.Sprintf("limits.topics_per_connection is %d", g.limits.Topics),
			}
		default:
			member[t] = true
			topics = append(topics, t)
		}
		seen[t] = true
	}
	return topics, denied
}
