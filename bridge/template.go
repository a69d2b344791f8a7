package bridge

import (
	"strings"

	"rowcast/rooms"
)

// template makes a topic name of a row: "topic_{topic_id}". It is literal text
// and columns in turn.
type template struct {
	text  string // as it was given
	parts []templatePart
	// warned is set when a name it made was refused, so that the log is told once.
	warned bool
	made   []byte // memory for the next name
}

// templatePart is literal text, or, with a column, a column's value.
type templatePart struct {
	literal string
	column  int // index, -1 for literal text
}

// parseTemplate cuts the template at its {columns}, whose index columnAt tells.
// A brace without its partner is literal text.
func parseTemplate(text string, columnAt func(name string) int) template {
	t := template{text: text}
	rest := text
	for {
		before, tail, found := strings.Cut(rest, "{")
		name, after, closed := strings.Cut(tail, "}")
		if !found || !closed {
			break
		}
		if before != "" {
			t.parts = append(t.parts, templatePart{literal: before, column: -1})
		}
		t.parts = append(t.parts, templatePart{column: columnAt(name)})
		rest = after
	}
	if rest != "" {
		t.parts = append(t.parts, templatePart{literal: rest, column: -1})
	}
	return t
}

// name returns the topic name the template makes of the row; false if a column
// in it is NULL or unknown.
func (t *template) name(columns columns, r row) (name string, ok bool) {
	if len(t.parts) == 1 && t.parts[0].column < 0 {
		return t.text, true
	}
	t.made = t.made[:0]
	for _, p := range t.parts {
		if p.column < 0 {
			t.made = append(t.made, p.literal...)
			continue
		}
		if !r.has(p.column) {
			return "", false
		}
		t.made = appendText(t.made, r[p.column], columns[p.column].typ)
	}
	return string(t.made), true
}

// pattern returns a pattern that matches every name the template makes.
func (t *template) pattern() string {
	var b strings.Builder
	star := false
	for _, p := range t.parts {
		switch {
		case p.column < 0:
			b.WriteString(p.literal)
		case !star:
			b.WriteByte('*')
		}
		star = p.column >= 0
	}
	return b.String()
}

// templates are all templates of a watch or channel.
type templates []template

// names returns the topic names the templates make of a row, each once. Names
// that are none are handed to refuse.
func (ts templates) names(columns columns, r row, refuse func(t *template)) []string {
	names := make([]string, 0, len(ts))
	for i := range ts {
		name, ok := ts[i].name(columns, r)
		switch {
		case !ok:
		case !rooms.ValidTopic(name):
			refuse(&ts[i])
		default:
			names = appendOnce(names, name)
		}
	}
	return names
}

// patterns returns the patterns of the templates, each once.
func (ts templates) patterns() []string {
	patterns := make([]string, 0, len(ts))
	for i := range ts {
		patterns = appendOnce(patterns, ts[i].pattern())
	}
	return patterns
}

// mention reports whether a template has the column in it.
func (ts templates) mention(column int) bool {
	for i := range ts {
		for _, p := range ts[i].parts {
			if p.column == column {
				return true
			}
		}
	}
	return false
}
