package typegen

import (
	"fmt"
	"regexp"
	"strings"
)

var identifier = regexp.MustCompile(`^[A-Za-z_$][A-Za-z0-9_$]*$`)

// property is a name as TypeScript has it before a colon.
func property(name string) string {
	if identifier.MatchString(name) {
		return name
	}
	return quote(name)
}

// quote makes a string literal of a text.
func quote(text string) string { return "'" + escape(text, "'") + "'" }

// escape escapes a text for a literal that these end or interrupt.
func escape(text string, ends ...string) string {
	pairs := []string{`\`, `\\`}
	for _, end := range ends {
		pairs = append(pairs, end, `\`+end)
	}
	text = strings.NewReplacer(pairs...).Replace(text)
	var b strings.Builder
	for _, c := range text {
		if isControl(c) {
			fmt.Fprintf(&b, `\u%04x`, c)
		} else {
			b.WriteRune(c)
		}
	}
	return b.String()
}

// comment makes a text fit for a comment.
func comment(text string) string {
	text = strings.Map(func(c rune) rune {
		if isControl(c) {
			return ' '
		}
		return c
	}, text)
	return strings.ReplaceAll(text, "*/", `*\/`)
}

// isControl reports whether a character is invisible, or ends a line.
func isControl(c rune) bool {
	return c < ' ' || c >= 0x7f && c < 0xa0 || c == '\u2028' || c == '\u2029'
}
