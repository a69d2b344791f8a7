package rooms

import (
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestValidTopic(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"topic_7": true, "Äpfel/ü:1": true, "a$": true, strings.Repeat("x", 200): true,
		"": false, "$a": false, "a b": false, "a,b": false, "a*": false, "a\n": false, "a\x7f": false, "a\u0085": false,
		"\xff": false, strings.Repeat("x", 201): false, strings.Repeat("ü", 101): false,
	} {
		if got := ValidTopic(name); got != want {
			t.Errorf("ValidTopic(%q) = %t", name, got)
		}
	}
}

func TestPatterns(t *testing.T) {
	t.Parallel()
	tests := []struct {
		pattern, topic string
		want           bool
	}{
		{"a", "a", true},
		{"a", "ab", false},
		{"*", "anything", true},
		{"topic_*", "topic_7", true},
		{"topic_*", "topic_", true},
		{"topic_*", "topics", false},
		{"*_log", "a_log", true},
		{"*_log", "a_logs", false},
		{"t_*_*", "t_1_2", true},
		{"t_*_*", "t_1", false},
		{"t_*_x", "t_x", false},
		{"a*b*c", "aXbYbZc", true},
		{"a*b*c", "aXcYb", false},
		{"a*a", "a", false},
	}
	for _, test := range tests {
		if got := matches(test.pattern, test.topic); got != test.want {
			t.Errorf("matches(%q, %q) = %t", test.pattern, test.topic, got)
		}
	}
}

// FuzzValidTopic compares it with the rule in docs/protocol.md, written as a
// regular expression.
func FuzzValidTopic(f *testing.F) {
	rule := regexp.MustCompile(`\A[^\x00-\x20\x7f-\x{9f},*$][^\x00-\x20\x7f-\x{9f},*]*\z`)
	for _, name := range []string{"topic_7", "", "$a", "a$", "a b", "ü", "a\u0085", "\xff", "\u2028", "*", strings.Repeat("x", 201)} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if got, want := ValidTopic(name), len(name) <= 200 && utf8.ValidString(name) && rule.MatchString(name); got != want {
			t.Errorf("ValidTopic(%q) = %t", name, got)
		}
	})
}

// FuzzPatterns compares matches with one that tries everything.
func FuzzPatterns(f *testing.F) {
	for _, seed := range [][2]string{{"topic_*", "topic_7"}, {"*", ""}, {"a*b*c", "aXbYbZc"}, {"a*a", "a"}, {"**", "x"}, {"*ab*ab", "abab"}, {"", "a"}} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, pattern, topic string) {
		if got, want := matches(pattern, topic), triesAll(pattern, topic); got != want {
			t.Errorf("matches(%q, %q) = %t", pattern, topic, got)
		}
	})
}

// triesAll keeps all places in the topic that the pattern so far may end at.
func triesAll(pattern, topic string) bool {
	at := make([]bool, len(topic)+1)
	at[0] = true
	for _, c := range []byte(pattern) {
		next := make([]bool, len(topic)+1)
		for i := range at {
			switch {
			case c == '*':
				next[i] = at[i] || i > 0 && next[i-1]
			case i > 0:
				next[i] = at[i-1] && topic[i-1] == c
			}
		}
		at = next
	}
	return at[len(topic)]
}
