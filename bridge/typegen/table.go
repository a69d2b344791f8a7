package typegen

import (
	"fmt"
	"slices"

	"rowcast/pglisten"
)

// payloadFields are the names a payload gives to its own fields: no column of a
// derived event can have them.
var payloadFields = []string{"topic_id", "id", "changed", "changed_fields", "old", "truncated", "moved"}

// table is a watched table and what its events show of its rows.
type table struct {
	w         *pglisten.Watch
	row       *row
	templates []template

	key  []string // columns, by name
	gone []string // of a deleted row: key columns and the topic column …
	lean []string // … of one that was too large: and those in topics
	all  []string
}

func newTable(w *pglisten.Watch) *table {
	t := &table{w: w, row: &row{columns: fields(w.Columns)}}
	t.row.tables = []string{t.source()}
	for _, topic := range w.Templates {
		t.templates = append(t.templates, parseTemplate(topic))
	}
	for _, c := range t.row.columns {
		isKey := slices.Contains(w.Key, c.name)
		isTopic := c.name == w.TopicColumn
		t.all = append(t.all, c.name)
		if isKey {
			t.key = append(t.key, c.name)
		}
		if isKey || isTopic {
			t.gone = append(t.gone, c.name)
		}
		if isKey || isTopic || slices.ContainsFunc(t.templates, func(p template) bool { return p.mentions(c.name) }) {
			t.lean = append(t.lean, c.name)
		}
	}
	return t
}

func (t *table) source() string { return t.w.Schema + "." + t.w.Table }

// text is what two tables with the same events have in common.
func (t *table) text() string {
	w := t.w
	return t.row.columns.typescript() + fmt.Sprint(w.Key, w.TopicColumn, w.Templates, w.Ops, w.IncludeOld, w.Unchanged, w.Derive)
}

// moves reports whether an update can take a row out of a topic.
func (t *table) moves() bool {
	return slices.ContainsFunc(t.templates, func(p template) bool { return !p.fixed() })
}

// payload begins with what every event says; the row follows, and the rest.
func (t *table) payload(row shape, rest ...field) object {
	o := object{{name: "topic_id", shape: t.topicID()}}
	if len(t.w.Key) > 0 {
		o = append(o, field{name: "id", shape: text})
	}
	o = append(o, field{name: t.w.Entity, shape: row})
	return append(o, rest...)
}

// topicID is the topic column's value as a string.
func (t *table) topicID() shape {
	for _, c := range t.w.Columns {
		if c.Name == t.w.TopicColumn {
			if c.Nullable {
				return either{text, null}
			}
			return text
		}
	}
	return null
}

// show shows columns of the row. Those in cuts may have been cut; most types
// look the same then.
func (t *table) show(columns, cuts []string, partial bool) shape {
	o, same := t.row.columns.only(columns), true
	for i := range o {
		if slices.Contains(cuts, o[i].name) {
			s := cut(o[i].shape)
			same = same && s.typescript() == o[i].shape.typescript()
			o[i].shape = s
		}
	}
	switch {
	case same:
		return view{t.row, columns, partial}
	case partial:
		return o.partial()
	}
	return o
}

func (t *table) whole() shape { return t.show(t.all, nil, false) }

// cut is what is left of a row of which these columns are kept.
func (t *table) cut(columns []string) shape { return t.show(columns, columns, false) }

// always, perhaps and never are fields that tell one look of an event from another.
func always(name string) field  { return field{name: name, shape: constant{true}} }
func perhaps(name string) field { return field{name: name, shape: constant{true}, optional: true} }
func never(name string) field   { return field{name: name, shape: absent{}, optional: true} }

// looks are those of a whole row and of one that was too large: one, where they
// differ in nothing else.
func looks(whole, cut variant) []variant {
	same := slices.EqualFunc(whole.payload, cut.payload, func(a, b field) bool {
		return a.name == "truncated" || a.shape.typescript() == b.shape.typescript()
	})
	if !same {
		return []variant{whole, cut}
	}
	i := slices.IndexFunc(cut.payload, func(f field) bool { return f.name == "truncated" })
	cut.payload[i] = perhaps("truncated")
	return []variant{cut}
}

func (t *table) inserted() []variant {
	return looks(
		variant{"insert", t.payload(t.whole(), always("changed"), never("truncated"))},
		variant{"insert", t.payload(t.cut(t.lean), always("changed"), always("truncated"))},
	)
}

func (t *table) updated() []variant {
	changes := []field{always("changed"), {name: "changed_fields", shape: columnNames{t.row}}}
	if t.w.Unchanged {
		changes[0].shape = boolean
	}
	look := func(row shape, old []string, truncated field) variant {
		rest := slices.Clone(changes)
		if len(old) > 0 { // of an old row that was too large there are key columns only, cut
			rest = append(rest, field{name: "old", shape: t.show(old, t.key, true), optional: true})
		}
		return variant{"update", t.payload(row, append(rest, truncated)...)}
	}
	before := t.key
	if t.w.IncludeOld {
		before = t.all
	}
	return looks(look(t.whole(), before, never("truncated")), look(t.cut(t.lean), t.key, always("truncated")))
}

func (t *table) deleted() []variant {
	var rest []field
	if t.moves() && slices.Contains(t.w.Ops, "update") {
		rest = []field{never("moved")}
	}
	return t.deletion(rest)
}

// deletion is what deleted events look like, and those derived from them.
func (t *table) deletion(rest []field) []variant {
	look := func(row shape, truncated field) variant {
		return variant{"delete", t.payload(row, append([]field{always("changed"), truncated}, rest...)...)}
	}
	if t.w.IncludeOld {
		return looks(look(t.whole(), never("truncated")), look(t.cut(t.lean), always("truncated")))
	}
	return []variant{look(t.cut(t.gone), perhaps("truncated"))}
}

// moved tells a topic that a row has left it.
func (t *table) moved() []variant {
	return []variant{{"update", t.payload(t.cut(t.key), always("changed"), perhaps("truncated"), always("moved"))}}
}

// derived is the plain event with further fields.
func (t *table) derived(rule pglisten.Derive) []variant {
	if !slices.Contains(t.w.Ops, rule.On) {
		return nil
	}
	var variants []variant
	switch rule.On {
	case "insert":
		variants = t.inserted()
	case "update":
		variants = t.updated()
	case "delete":
		variants = t.deletion(nil)
	}
	for i, v := range variants {
		whole := i == 0 && len(variants) > 1
		variants[i].payload = append(v.payload, t.derivedFields(rule, !whole)...)
	}
	return variants
}

// derivedFields are the fields a rule takes from columns.
func (t *table) derivedFields(rule pglisten.Derive, isCut bool) object {
	o := object{}
	for name, column := range rule.Fields {
		if name == t.w.Entity || slices.Contains(payloadFields, name) {
			continue
		}
		for _, c := range t.row.columns.only([]string{column}) {
			if isCut {
				c.shape = cut(c.shape)
			}
			o = append(o, field{name: name, shape: c.shape})
		}
	}
	return o.sorted()
}
