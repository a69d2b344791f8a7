package auth

import (
	"fmt"
	"net/url"
	"strings"
)

// Request is what a URL asks for: the plain level and SSE join with it.
type Request struct {
	Topics []string
	Since  *string // nil: nothing to resume
}

// ParseRequest reads topics= and since= from a URL's query. Both are percent
// decoded (a + is a plus: topic names hold no space), topics then split at commas.
// Other parameters are left alone. Whether a name is a good one is for Gate.Topics.
func ParseRequest(query string) (Request, error) {
	var req Request
	for pair := range strings.SplitSeq(query, "&") {
		key, value, _ := strings.Cut(pair, "=")
		if key != "topics" && key != "since" {
			continue
		}
		value, err := url.PathUnescape(value)
		switch {
		case err != nil:
			return Request{}, fmt.Errorf("parse %s: %w", key, err)
		case value == "":
		case key == "since":
			req.Since = &value
		default:
			req.Topics = append(req.Topics, strings.Split(value, ",")...)
		}
	}
	return req, nil
}
