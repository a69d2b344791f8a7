package auth

import (
	"net/url"
	"strings"

	"rowcast/rooms"
)

// Wishes are what a URL asks for: the plain level and SSE join with it.
type Wishes struct {
	Topics []string
	Since  *string // nil: nothing to resume
}

var missing = &Refusal{Code: rooms.BadTopic, Message: "topics are missing: ?topics=a,b"}

// ParseWishes reads what a URL's query asks for: topics= and since=. Both are
// percent-decoded (a + is a plus: topic names hold no space), topics then split
// at commas. Other parameters are left alone. Whether the topics may be joined
// is for Judge to say.
func ParseWishes(query string) (Wishes, *Refusal) {
	var w Wishes
	for pair := range strings.SplitSeq(query, "&") {
		key, value, _ := strings.Cut(pair, "=")
		if key != "topics" && key != "since" {
			continue
		}
		value, err := url.PathUnescape(value)
		switch {
		case err != nil:
			return Wishes{}, missing
		case value == "":
		case key == "since":
			w.Since = &value
		default:
			w.Topics = append(w.Topics, strings.Split(value, ",")...)
		}
	}
	if len(w.Topics) == 0 {
		return Wishes{}, missing
	}
	return w, nil
}
