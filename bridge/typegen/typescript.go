package typegen

import (
	"bytes"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// notFinite is how floats are written that JSON has no number for.
var notFinite = labels{"NaN", "Infinity", "-Infinity"}

// width is how long a line may be; longer types are broken where they can be.
const width = 120

const header = `// Made by ` + "`rowcast types`" + ` from the watched tables. Do not edit; renew it with: rowcast types --out FILE

/** The hash of these types, for createClient: in development it warns when the server's is another. */
export const schema = %s

/** Where rows are sent. What the application emits itself may go to other topics. */
export type Topic =%s

/**
 * The payload of each event type.
 *
 * - truncated: the row was too large to be sent; these columns are all there is of it. Fetch it.
 * - moved: the row is not deleted, it has left the event's topics.
 *
 * What the application emits itself is not in the database's catalogue. Add it:
 *
 *     interface AppEvents extends Events { typing_started: { topic_id: string } }
 */
export interface Events {
`

const (
	declareFloat = `
/** A float4 or float8. JSON has no number for the last three; Number(x) makes one of all of them. */
export type Float = number | %s
`
	declareJSON = `
/** A json or jsonb. */
export type Json = string | number | boolean | null | Json[] | { [key: string]: Json }
`
)

// TypeScript returns a module: the interface Events, the rows, the topics, and
// the hash.
func (m *Model) TypeScript() []byte {
	w := &writer{}
	topics := make(either, len(m.topics))
	for i, t := range m.topics {
		topics[i] = t
	}
	if len(topics) == 0 {
		topics = either{absent{}}
	}
	fmt.Fprintf(w, header, quote(m.Hash()), fit(topics, "", len("export type Topic =")))
	for _, e := range m.events {
		payloads := either{}
		for _, v := range e.variants {
			payloads = append(payloads, v.payload)
		}
		w.field("  ", field{name: e.typ, shape: payloads})
	}
	w.WriteString("}\n")
	for _, r := range m.rows {
		w.row(r)
	}
	for _, name := range slices.Sorted(maps.Keys(m.unions)) {
		fmt.Fprintf(w, "\nexport type %s =%s\n", name, fit(m.unions[name], "", len("export type =")+len(name)))
	}
	if w.uses(nameFloat) {
		fmt.Fprintf(w, declareFloat, notFinite.typescript())
	}
	if w.uses(nameJSON) {
		w.WriteString(declareJSON)
	}
	return w.Bytes()
}

// writer collects the text of a module.
type writer struct{ bytes.Buffer }

func (w *writer) row(r *row) {
	fmt.Fprintf(w, "\n/** A row of %s. */\n", comment(strings.Join(r.tables, " or ")))
	if len(r.columns) == 0 {
		fmt.Fprintf(w, "export type %s = %s\n", r.name, r.columns.typescript())
		return
	}
	fmt.Fprintf(w, "export interface %s {\n", r.name)
	for _, f := range r.columns {
		w.field("  ", f)
	}
	w.WriteString("}\n")
}

func (w *writer) field(indent string, f field) { w.WriteString(line(indent, f) + "\n") }

// uses reports whether the name is in the text, or perhaps is.
func (w *writer) uses(name string) bool {
	return regexp.MustCompile(`\b` + name + `\b`).Match(w.Bytes())
}

// line is a field, on one line if it fits.
func line(indent string, f field) string {
	start := indent + f.key() + ":"
	return start + fit(f.shape, indent, utf8.RuneCountInString(start))
}

// fit lays out a shape that stands behind used characters of a line of this
// indentation. It begins with the space between.
func fit(s shape, indent string, used int) string {
	flat := " " + s.typescript()
	if used+utf8.RuneCountInString(flat) <= width {
		return flat
	}
	parts := union(s)
	if o, isObject := parts[0].(object); isObject && len(parts) == 2 && parts[1] == shape(null) {
		return fit(o, indent, width) + " | null"
	}
	if len(parts) > 1 {
		var b strings.Builder
		for _, part := range parts {
			b.WriteString("\n" + indent + "  |" + fit(part, indent+"    ", len(indent)+3))
		}
		return b.String()
	}
	if o, isObject := parts[0].(object); isObject && len(o) > 0 {
		var b strings.Builder
		b.WriteString(" {\n")
		for _, f := range o {
			b.WriteString(line(indent+"  ", f) + "\n")
		}
		b.WriteString(indent + "}")
		return b.String()
	}
	return flat
}

// union returns what a shape is a union of; it may be that alone.
func union(s shape) []shape {
	var parts []shape
	switch s := s.(type) {
	case either:
		for _, part := range s {
			parts = append(parts, union(part)...)
		}
	case labels:
		for _, label := range s {
			parts = append(parts, labels{label})
		}
	default:
		parts = []shape{s}
	}
	return parts
}
