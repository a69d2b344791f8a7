package bridge

import (
	"maps"
	"slices"

	"rowcast/pglisten"
)

// derivation is a rule for an event in addition to the plain one.
type derivation struct {
	typ     string
	op      pglisten.Op
	column  int // -1: the rule asks for no column
	becomes *wanted
	equals  *wanted
	changes bool
	fields  []derivedField // by name
}

// derivedField is a payload field taken from a column.
type derivedField struct {
	key    []byte // the name as a JSON string
	column int
}

// wanted is the value a rule waits for. Values are compared by their text, so
// that 7 and "7" are the same: an int8 is a string on the wire.
type wanted struct {
	null bool
	text string
}

// newDerivation prepares a rule of the entity's watch. Fields named like the
// payload's own are left out.
func newDerivation(rule pglisten.Derive, entity string, columnAt func(string) int) derivation {
	d := derivation{
		typ:     rule.Type,
		op:      opNamed(rule.On),
		column:  -1,
		becomes: newWanted(rule.Becomes),
		equals:  newWanted(rule.Equals),
		changes: rule.Changes,
	}
	if rule.Column != "" {
		d.column = columnAt(rule.Column)
	}
	for _, name := range slices.Sorted(maps.Keys(rule.Fields)) {
		if name != entity && !slices.Contains(payloadFields, name) {
			d.fields = append(d.fields, derivedField{key: appendString(nil, name), column: columnAt(rule.Fields[name])})
		}
	}
	return d
}

// newWanted reads a rule's value; nil if it has none.
func newWanted(value []byte) *wanted {
	if !validJSON(value) {
		return nil
	}
	value = appendCompact(nil, value)
	return &wanted{null: isNull(value), text: string(appendText(nil, value, nil))}
}

// fires reports whether a change of a row makes the rule's event. changes says
// which columns an update changed; an insert changes all of them.
func (d *derivation) fires(op pglisten.Op, cs columns, r row, changes []bool) bool {
	if op != d.op {
		return false
	}
	if d.column < 0 {
		return d.becomes == nil && d.equals == nil && !d.changes
	}
	changed := op == pglisten.Insert || changes != nil && changes[d.column]
	switch {
	case (d.changes || d.becomes != nil) && !changed:
		return false
	case d.becomes != nil && !d.becomes.is(r[d.column], cs[d.column].typ):
		return false
	case d.equals != nil && !d.equals.is(r[d.column], cs[d.column].typ):
		return false
	}
	return true
}

// is reports whether a column's value is the wanted one.
func (w *wanted) is(value []byte, t *pglisten.Type) bool {
	if value == nil || isNull(value) {
		return value != nil && w.null
	}
	var buf [64]byte
	return !w.null && string(appendText(buf[:0], value, t)) == w.text
}

// opNamed returns the operation a rule names, 0 for none.
func opNamed(name string) pglisten.Op {
	for _, op := range []pglisten.Op{pglisten.Insert, pglisten.Update, pglisten.Delete} {
		if opName(op) == name {
			return op
		}
	}
	return 0
}
