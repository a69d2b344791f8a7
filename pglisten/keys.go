package pglisten

import (
	"bytes"
	"encoding/json"
)

// unknownKey returns the first key of a JSON object, as row_to_json wrote it,
// that is no column of the table as the catalogue knows it, but for those to be
// skipped.
func (w *Watch) unknownKey(row []byte, skip func(key string) bool) (key string, found bool) {
	for rest := row; ; {
		var raw []byte
		if raw, rest = nextKey(rest); raw == nil {
			return "", false
		}
		if w.known[string(raw)] {
			continue
		}
		name := string(raw)
		if bytes.IndexByte(raw, '\\') >= 0 {
			if json.Unmarshal(append(append([]byte{'"'}, raw...), '"'), &name) != nil || w.known[name] {
				continue
			}
		}
		if !skip(name) {
			return name, true
		}
	}
}

// nextKey returns the next key of the outermost object, its escapes as they are,
// and what follows its value. It trusts that Postgres wrote the text.
func nextKey(text []byte) (key, rest []byte) {
	open := bytes.IndexByte(text, '"')
	if open < 0 {
		return nil, nil
	}
	end := stringEnd(text, open)
	key = text[open+1 : end : end]
	depth := 0
	for i := end + 1; i < len(text); i++ {
		switch text[i] {
		case '"':
			i = stringEnd(text, i)
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		case ',':
			if depth == 0 {
				return key, text[i+1:]
			}
		}
	}
	return key, nil
}

// stringEnd returns where the string that begins at open ends, the end of text
// if it does not.
func stringEnd(text []byte, open int) int {
	begin := open + 1
	for i := begin; ; i++ {
		n := bytes.IndexByte(text[i:], '"')
		if n < 0 {
			return len(text)
		}
		i += n
		if !escapes(text[begin:i]) {
			return i
		}
	}
}

// escapes reports whether the inside of a string, up to somewhere, escapes what
// comes next.
func escapes(text []byte) bool {
	n := len(text)
	for n > 0 && text[n-1] == '\\' {
		n--
	}
	return (len(text)-n)%2 == 1
}
