package typegen

import (
	"regexp"
	"slices"
	"strings"
)

// template is a topic template: the literal texts, and the columns between
// them. A column's value can be any text.
type template struct {
	literals []string // one more than columns
	columns  []string
}

var placeholder = regexp.MustCompile(`\{([^{}]*)\}`)

func parseTemplate(text string) template {
	t := template{literals: placeholder.Split(text, -1)}
	for _, match := range placeholder.FindAllStringSubmatch(text, -1) {
		t.columns = append(t.columns, match[1])
	}
	return t
}

func (t template) fixed() bool { return len(t.columns) == 0 }

func (t template) mentions(column string) bool { return slices.Contains(t.columns, column) }

// compare orders templates by the names they make: fixed ones first.
func (t template) compare(other template) int {
	if t.fixed() != other.fixed() {
		if t.fixed() {
			return -1
		}
		return 1
	}
	return slices.Compare(t.literals, other.literals)
}

func (t template) typescript() string {
	if t.fixed() {
		return quote(t.literals[0])
	}
	literals := make([]string, len(t.literals))
	for i, text := range t.literals {
		literals[i] = escape(text, "`", "${")
	}
	return "`" + strings.Join(literals, "${string}") + "`"
}

func (t template) schema() jsonObject {
	if t.fixed() {
		return jsonObject{"const": t.literals[0]}
	}
	literals := make([]string, len(t.literals))
	for i, text := range t.literals {
		literals[i] = regexp.QuoteMeta(text)
	}
	return jsonObject{"type": "string", "pattern": "^" + strings.Join(literals, `[\s\S]*`) + "$"}
}
