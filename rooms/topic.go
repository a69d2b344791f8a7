package rooms

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// maxTopic is the longest topic name in bytes.
const maxTopic = 200

// ValidTopic reports whether name may name a topic: 1–200 bytes of UTF-8
// without control characters, space, comma or *, not beginning with $.
func ValidTopic(name string) bool {
	if name == "" || len(name) > maxTopic || name[0] == '$' || !utf8.ValidString(name) {
		return false
	}
	return !strings.ContainsFunc(name, func(r rune) bool {
		return r <= ' ' || r == ',' || r == '*' || r >= 0x7f && r <= 0x9f
	})
}

// Covers reports whether one of the patterns covers the topic: in a pattern *
// stands for any text.
func Covers(patterns []string, topic string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return matches(p, topic) })
}

// matches reports whether the pattern, in which * stands for any text, covers
// the topic.
func matches(pattern, topic string) bool {
	before, rest, wild := strings.Cut(pattern, "*")
	if !wild {
		return pattern == topic
	}
	topic, ok := strings.CutPrefix(topic, before)
	for ok && wild {
		if before, rest, wild = strings.Cut(rest, "*"); wild {
			// The earliest place is as good as any: what follows is another *.
			_, topic, ok = strings.Cut(topic, before)
		}
	}
	return ok && strings.HasSuffix(topic, before)
}
