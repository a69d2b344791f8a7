package bridge

import (
	"errors"
	"slices"

	"rowcast/pglisten"
)

var errEntity = errors.New("entity makes no event type, or is a field of the payload")

// plan is a watch made ready for its rows: names looked up once, not per row.
type plan struct {
	watch     *pglisten.Watch
	err       error   // the watch can make no events
	columns   columns // the captured ones, in table order, then others it names
	templates templates
	patterns  []string // what the templates can make
	derived   []derivation

	key     []int // primary key columns, in key order
	topic   int   // the topic column, -1 without
	subject int   // the subject column of an access watch, -1 without
	routes  []int // columns on which it hangs whom a row concerns
	all     []int // columns a row shows: the captured ones …
	lean    []int // … of a cut row: key and topic columns …
	gone    []int // … of a deleted one: key columns and the topic column

	entity                    []byte // as a JSON string
	created, updated, deleted string // event types
}

// newPlan prepares a watch.
func newPlan(w *pglisten.Watch) *plan {
	p := &plan{
		watch:   w,
		topic:   -1,
		subject: -1,
		entity:  appendString(nil, w.Entity),
		created: w.Entity + "_created",
		updated: w.Entity + "_updated",
		deleted: w.Entity + "_deleted",
	}
	for _, c := range w.Columns {
		p.columns = p.columns.add(c.Name, c.Type)
	}
	for _, name := range w.Key {
		p.key = append(p.key, p.columns.use(name))
	}
	if w.TopicColumn != "" {
		p.topic = p.columns.use(w.TopicColumn)
	}
	if w.SubjectColumn != "" {
		p.subject = p.columns.use(w.SubjectColumn)
	}
	for _, text := range w.Templates {
		p.templates = append(p.templates, parseTemplate(text, p.columns.use))
	}
	p.patterns = p.templates.patterns()
	for _, d := range w.Derive {
		if validType(d.Type) { // rowcast.watch() refuses the others
			p.derived = append(p.derived, newDerivation(d, w.Entity, p.columns.use))
		}
	}
	if !validType(w.Entity) || slices.Contains(payloadFields, w.Entity) {
		p.err = errEntity
	}
	p.choose()
	return p
}

// choose says which columns are shown where.
func (p *plan) choose() {
	for i := range p.columns {
		isKey, isTopic, isRoute := slices.Contains(p.key, i), i == p.topic, p.templates.mention(i)
		if isTopic || isRoute || i == p.subject {
			p.routes = append(p.routes, i)
		}
		if !p.captured(i) {
			continue
		}
		p.all = append(p.all, i)
		if isKey || isTopic || isRoute {
			p.lean = append(p.lean, i)
		}
		if isKey || isTopic {
			p.gone = append(p.gone, i)
		}
	}
}

// captured reports whether the catalogue has the column. One that was dropped or
// renamed meanwhile is not shown, but a row from before may still have it.
func (p *plan) captured(i int) bool { return i < len(p.watch.Columns) }

// compare marks the columns whose values differ between two rows and reports
// whether an update changed something that is captured. names is the trigger's
// own list, which is there where a cut row cannot tell.
func (p *plan) compare(before, after row, names []string, changes []bool) ([]bool, bool) {
	changes = append(changes[:0], make([]bool, len(p.columns))...)
	any := false
	for i := range p.columns {
		if names != nil {
			changes[i] = slices.Contains(names, p.columns[i].name)
		} else {
			changes[i] = before[i] != nil && after[i] != nil && string(before[i]) != string(after[i])
		}
		any = any || changes[i] && (p.captured(i) || slices.Contains(p.routes, i))
	}
	return changes, any
}

// rerouted reports whether the changes may have changed the row's topics.
func (p *plan) rerouted(changes []bool) bool {
	return slices.ContainsFunc(p.routes, func(i int) bool { return changes[i] })
}

// validType reports whether an event type, or an entity it begins with, is
// [a-z][a-z0-9_]*.
func validType(name string) bool {
	for i := range len(name) {
		c := name[i]
		lower := 'a' <= c && c <= 'z'
		if !lower && (i == 0 || c != '_' && (c < '0' || c > '9')) {
			return false
		}
	}
	return name != ""
}
