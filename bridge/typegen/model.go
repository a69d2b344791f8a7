package typegen

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"rowcast/pglisten"
)

// Model is what clients can know of the events of watched tables.
type Model struct {
	topics []template
	rows   []*row            // by name
	unions map[string]either // entities whose tables' rows differ, by the name of the union
	events []event           // by type
}

// event is an event type and what its events look like.
type event struct {
	typ      string
	variants []variant
}

// variant is one look of an event.
type variant struct {
	op      string
	payload object
}

func (v variant) text() string { return v.op + v.payload.typescript() }

// New makes the model of live watches. Those of access make no events.
func New(watches []*pglisten.Watch) *Model {
	m := &Model{unions: map[string]either{}}
	variants := map[string][]variant{}
	add := func(typ string, made []variant) {
		for _, v := range made {
			same := func(other variant) bool { return v.text() == other.text() }
			if !slices.ContainsFunc(variants[typ], same) {
				variants[typ] = append(variants[typ], v)
			}
		}
	}
	for _, t := range m.tables(watches) {
		m.topics = append(m.topics, t.templates...)
		for _, op := range t.w.Ops {
			switch op {
			case "insert":
				add(t.w.Entity+"_created", t.inserted())
			case "update":
				add(t.w.Entity+"_updated", t.updated())
				if t.moves() {
					add(t.w.Entity+"_deleted", t.moved())
				}
			case "delete":
				add(t.w.Entity+"_deleted", t.deleted())
			}
		}
		for _, rule := range t.w.Derive {
			add(rule.Type, t.derived(rule))
		}
	}
	for _, typ := range slices.Sorted(maps.Keys(variants)) {
		m.events = append(m.events, event{typ, variants[typ]})
	}
	slices.SortFunc(m.topics, template.compare)
	m.topics = slices.CompactFunc(m.topics, func(a, b template) bool { return a.compare(b) == 0 })
	return m
}

// Hash is short, and another one when the model is.
func (m *Model) Hash() string {
	text, err := json.Marshal(m.definitions())
	if err != nil {
		panic("typegen: encode definitions: " + err.Error()) // they are made of maps and strings
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:6])
}

// tables prepares the watches and names what their rows look like. Watches of
// one entity are ordered by what clients see of them, not by their tables.
func (m *Model) tables(watches []*pglisten.Watch) []*table {
	var tables []*table
	for _, w := range watches {
		if w.Table != "" && w.SubjectColumn == "" { // else it is gone, or makes no events
			tables = append(tables, newTable(w))
		}
	}
	slices.SortFunc(tables, func(a, b *table) int {
		return cmp.Or(cmp.Compare(a.w.Entity, b.w.Entity), cmp.Compare(a.text(), b.text()), cmp.Compare(a.source(), b.source()))
	})
	taken := map[string]bool{}
	for _, name := range []string{"Events", nameTopic, nameJSON, nameFloat, "Partial", "Pick", "Record"} {
		taken[name] = true
	}
	for start := 0; start < len(tables); {
		end := start + 1
		for end < len(tables) && tables[end].w.Entity == tables[start].w.Entity {
			end++
		}
		m.name(tables[start:end], taken)
		start = end
	}
	slices.SortFunc(m.rows, func(a, b *row) int { return cmp.Compare(a.name, b.name) })
	return tables
}

// name names the rows of one entity's tables: those that look the same are one
// row, and if they are several, the entity's name is that of their union.
func (m *Model) name(tables []*table, taken map[string]bool) {
	var rows []*row
	for _, t := range tables {
		if n := len(rows); n > 0 && rows[n-1].columns.typescript() == t.row.columns.typescript() {
			rows[n-1].tables = append(rows[n-1].tables, t.row.tables...)
			t.row = rows[n-1]
			continue
		}
		rows = append(rows, t.row)
	}
	m.rows = append(m.rows, rows...)
	name := free(pascal(tables[0].w.Entity), taken)
	if len(rows) == 1 {
		rows[0].name = name
		return
	}
	for i, r := range rows {
		r.name = free(fmt.Sprint(name, i+1), taken)
		m.unions[name] = append(m.unions[name], shared(r.name))
	}
}

// free returns the name, or one like it, that is not taken, and takes it.
func free(name string, taken map[string]bool) string {
	for taken[name] {
		name += "Row"
	}
	taken[name] = true
	return name
}

// pascal turns analysis_run into AnalysisRun.
func pascal(entity string) string {
	var b strings.Builder
	for word := range strings.SplitSeq(entity, "_") {
		if word != "" {
			b.WriteString(strings.ToUpper(word[:1]) + word[1:])
		}
	}
	return b.String()
}
