package auth

import (
	"fmt"
	"net/url"
	"strings"

	"rowcast/rooms"
)

// Wishes are what a URL asks for: the plain level and SSE join with it.
type Wishes struct {
	Topics []string
	Since  *string // nil: nothing to resume
}

// Wishes reads what a URL's query asks for, and refuses it as a whole when one
// of its topics cannot be joined or there is none.
func (g *Gate) Wishes(query string) (Wishes, *Refusal) {
	w, err := parseWishes(query)
	if err != nil || len(w.Topics) == 0 {
		return Wishes{}, &Refusal{rooms.BadTopic, "topics are missing: ?topics=a,b"}
	}
	topics, denied := g.Topics(w.Topics, nil)
	for _, t := range w.Topics {
		if d, no := denied[t]; no {
			return Wishes{}, &Refusal{d.Code, fmt.Sprintf("%.200q: %s", t, d.Message)}
		}
	}
	w.Topics = topics
	return w, nil
}

// parseWishes reads topics= and since=. Both are percent-decoded (a + is a plus:
// topic names hold no space), topics then split at commas. Other parameters are
// left alone.
func parseWishes(query string) (Wishes, error) {
	var w Wishes
	for pair := range strings.SplitSeq(query, "&") {
		key, value, _ := strings.Cut(pair, "=")
		if key != "topics" && key != "since" {
			continue
		}
		value, err := url.PathUnescape(value)
		switch {
		case err != nil:
			return Wishes{}, fmt.Errorf("parse %s: %w", key, err)
		case value == "":
		case key == "since":
			w.Since = &value
		default:
			w.Topics = append(w.Topics, strings.Split(value, ",")...)
		}
	}
	return w, nil
}
