package bridge

import (
	"unicode/utf8"

	"rowcast/pglisten"
)

// cutAt is how many characters of a value a truncated row shows, in the daemon
// as in the trigger.
const cutAt = 1000

// maxDimensions is Postgres's bound for arrays (MAXDIM).
const maxDimensions = 6

// appendValue appends a column's value as it goes over the wire. value is what
// row_to_json wrote: valid JSON in the settings of the writer's session. Where
// it is not what the column's type promises (the type was changed meanwhile, or
// a cut row holds every value as text) it is sent as it is, in the type's JSON
// form where that can be had. A nil type promises nothing.
func appendValue(dst, value []byte, t *pglisten.Type) []byte {
	if isNull(value) || t == nil {
		return appendCompact(dst, value)
	}
	isText := value[0] == '"'
	switch t.Kind {
	case pglisten.Text, pglisten.Exact:
		return appendAsString(dst, value)
	case pglisten.Number, pglisten.Float, pglisten.Bool:
		if inner := value[1:max(1, len(value)-1)]; isText && isScalar(inner) {
			return append(dst, inner...)
		}
	case pglisten.Timestamp:
		if isText {
			return appendTimestamp(dst, value)
		}
	case pglisten.Bytes:
		if isText {
			return appendBase64(dst, value)
		}
	case pglisten.Array:
		if value[0] == '[' {
			return appendArray(dst, value, t, maxDimensions)
		}
	case pglisten.Composite:
		if value[0] == '{' {
			return appendComposite(dst, value, t)
		}
	case pglisten.JSON:
	}
	return appendCompact(dst, value)
}

// appendArray appends an array of that many dimensions at most. The type does
// not say how many there are: while the elements are arrays, there is another.
func appendArray(dst, value []byte, t *pglisten.Type, dimensions int) []byte {
	nested := dimensions > 1 && t.Elem != nil && t.Elem.Kind != pglisten.JSON && t.Elem.Kind != pglisten.Array
	dst = append(dst, '[')
	start := len(dst)
	s := scanner{text: value}
	for element := range s.elements {
		if len(dst) > start {
			dst = append(dst, ',')
		}
		if nested && element[0] == '[' {
			dst = appendArray(dst, element, t, dimensions-1)
		} else {
			dst = appendValue(dst, element, t.Elem)
		}
	}
	return append(dst, ']')
}

// appendComposite appends a composite value's fields. One the catalogue no
// longer knows is left out, like a column.
func appendComposite(dst, value []byte, t *pglisten.Type) []byte {
	dst = append(dst, '{')
	start := len(dst)
	next := 0
	s := scanner{text: value}
	for name, field := range s.members {
		i := columnNamed(t.Fields, name, next)
		if i < 0 {
			continue
		}
		next = i + 1
		if len(dst) > start {
			dst = append(dst, ',')
		}
		dst = append(dst, name...)
		dst = append(dst, ':')
		dst = appendValue(dst, field, t.Fields[i].Type)
	}
	return append(dst, '}')
}

// columnNamed returns the index of the column whose name is written so in JSON,
// -1 if there is none. Most often it is the one expected.
func columnNamed(columns []pglisten.Column, quoted []byte, expected int) int {
	var buf [64]byte
	name := appendUnquoted(buf[:0], quoted)
	if expected < len(columns) && columns[expected].Name == string(name) {
		return expected
	}
	for i := range columns {
		if columns[i].Name == string(name) {
			return i
		}
	}
	return -1
}

// appendAsString appends the value as a JSON string, whatever it is.
func appendAsString(dst, value []byte) []byte {
	switch value[0] {
	case '"':
		return append(dst, value...)
	case '{', '[':
		return appendString(dst, appendCompact(nil, value))
	default:
		dst = append(dst, '"')
		dst = append(dst, value...)
		return append(dst, '"')
	}
}

// appendQuoted appends what appendValue makes of the value as a JSON string:
// the form of a topic id and of a row's id.
func appendQuoted(dst, value []byte, t *pglisten.Type) []byte {
	start := len(dst)
	dst = appendValue(dst, value, t)
	switch dst[start] {
	case '"':
		return dst
	case '{', '[':
		return appendString(dst[:start], string(dst[start:]))
	default:
		dst = append(dst, '"', '"')
		copy(dst[start+1:], dst[start:len(dst)-2])
		dst[start] = '"'
		return dst
	}
}

// appendText appends what appendQuoted makes of the value, without the quotes
// and escapes: the form in topic names.
func appendText(dst, value []byte, t *pglisten.Type) []byte {
	start := len(dst)
	dst = appendValue(dst, value, t)
	if dst[start] != '"' {
		return dst
	}
	// In place: what a string says is never longer than how it is written.
	return appendUnquoted(dst[:start], dst[start:])
}

// cut shortens the value that begins at start to cutAt characters; one that is
// no string becomes the beginning of its text.
func cut(dst []byte, start int) []byte {
	if utf8.RuneCount(dst[start:]) <= cutAt {
		return dst
	}
	text := string(dst[start:])
	if text[0] == '"' {
		text = string(appendUnquoted(nil, []byte(text)))
	}
	end, n := len(text), 0
	for i := range text {
		if n == cutAt {
			end = i
			break
		}
		n++
	}
	return appendString(dst[:start], text[:end])
}

func isNull(value []byte) bool { return value[0] == 'n' }

// isScalar reports whether text is a JSON number or boolean.
func isScalar(text []byte) bool {
	if len(text) == 0 || text[0] == '"' || text[0] == '{' || text[0] == '[' || text[0] == 'n' {
		return false
	}
	s := scanner{text: text}
	s.value(0)
	return !s.fault && s.pos == len(text)
}
