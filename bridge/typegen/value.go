package typegen

import "rowcast/pglisten"

// value is what a column's value is on the wire: docs/protocol.md has the table.
func value(t *pglisten.Type) shape {
	switch t.Kind {
	case pglisten.Number:
		return integer
	case pglisten.Float:
		return shared(nameFloat)
	case pglisten.Bool:
		return boolean
	case pglisten.JSON:
		return shared(nameJSON)
	case pglisten.Array:
		s := list{orNull(value(t.Elem))}
		for range t.Dims - 1 {
			s = list{s}
		}
		return s
	case pglisten.Composite:
		return fields(t.Fields)
	case pglisten.Text:
		if len(t.Enum) > 0 {
			return labels(t.Enum)
		}
	case pglisten.Exact, pglisten.Timestamp, pglisten.Bytes:
	}
	return text
}

// fields are the columns of a table or of a composite type, by name.
func fields(columns []pglisten.Column) object {
	o := object{}
	for _, c := range columns {
		s := value(c.Type)
		if c.Nullable {
			s = orNull(s)
		}
		o = append(o, field{name: c.Name, shape: s})
	}
	return o.sorted()
}

// cut is what is left of a value in a row that was too large: the first
// characters of what has no fixed size. So an array may come as text.
func cut(s shape) shape {
	switch s := s.(type) {
	case list, object:
		return either{s, text}
	case either: // the value or null
		if _, same := cut(s[0]).(either); same {
			return append(either{s[0], text}, s[1:]...)
		}
	}
	return s
}
