package bridge

import (
	"bytes"
	"slices"
	"unicode/utf8"

	"rowcast/pglisten"
)

// column is a column of a row, ready to be read and written.
type column struct {
	name  string
	key   []byte // the name as a JSON string
	label []byte // key and a colon
	typ   *pglisten.Type
}

// columns are the columns of a watched table, or the wanted fields of a
// channel's payload.
type columns []column

// add appends a column.
func (cs columns) add(name string, typ *pglisten.Type) columns {
	label := append(appendString(nil, name), ':')
	return append(cs, column{name, label[:len(label)-1], label, typ})
}

// at returns the index of the column of that name, -1 if there is none.
func (cs columns) at(name string) int {
	for i := range cs {
		if cs[i].name == name {
			return i
		}
	}
	return -1
}

// use returns the index of the column of that name, which is added if need be.
func (cs *columns) use(name string) int {
	if i := cs.at(name); i >= 0 {
		return i
	}
	*cs = cs.add(name, nil)
	return len(*cs) - 1
}

// row is a row as JSON values, by column; nil where the row does not say.
type row [][]byte

// has reports whether the row says something else than NULL about the column.
func (r row) has(column int) bool {
	return column >= 0 && r[column] != nil && !isNull(r[column])
}

// read cuts a row's JSON into its values, into r's memory. Columns it does not
// know (dropped or renamed meanwhile) are left out. It makes sure of all that
// is passed on unread: valid JSON, valid UTF-8. like is a row that was read
// before and may have many of the same values, or nil.
func (cs columns) read(text []byte, r, like row) (row, error) {
	r = slices.Grow(r[:0], len(cs))[:len(cs)]
	clear(r)
	if !utf8.Valid(text) {
		return r, errJSON
	}
	next := 0
	s := scanner{text: text}
	for first := s.open('{'); s.more('}', first); first = false {
		// Postgres writes the columns in their order, and no space.
		i := next
		if i < len(cs) && s.skipAll(cs[i].label) {
			s.space()
		} else {
			i = cs.written(s.name())
		}
		switch {
		case i < 0:
			s.value(1)
			continue
		case like != nil:
			r[i] = s.valueLike(like[i])
		default:
			r[i] = s.value(1)
		}
		next = i + 1
	}
	if !s.done() {
		return r, errJSON
	}
	return r, nil
}

// written returns the index of the column whose name is written so, -1 if there
// is none.
func (cs columns) written(name []byte) int {
	for i := range cs {
		if bytes.Equal(cs[i].key, name) {
			return i
		}
	}
	return -1
}

// appendRow appends the row as an object of the given columns, cut or whole.
func appendRow(dst []byte, cs columns, r row, show []int, truncated bool) []byte {
	dst = append(dst, '{')
	first := true
	for _, i := range show {
		if r[i] == nil {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = append(dst, cs[i].label...)
		dst = appendShown(dst, r[i], cs[i].typ, truncated)
	}
	return append(dst, '}')
}

// appendShown appends a value, cut or whole.
func appendShown(dst, value []byte, t *pglisten.Type, truncated bool) []byte {
	start := len(dst)
	dst = appendValue(dst, value, t)
	if truncated {
		dst = cut(dst, start)
	}
	return dst
}

// appendOnce appends s unless it is there.
func appendOnce(list []string, s string) []string {
	if slices.Contains(list, s) {
		return list
	}
	return append(list, s)
}
