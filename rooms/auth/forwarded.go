package auth

import "strings"

// nodes reads a line of the header Forwarded (RFC 7239 section 4) and returns
// the for= of each element, "" for one without. A line that breaks the grammar
// says nothing at all: a quote that somebody left open reaches over what a proxy
// added behind it.
func nodes(line string) (fors []string, ok bool) {
	s := scanner{line}
	for {
		node, found, ok := s.element()
		if !ok {
			return nil, false
		}
		if found {
			fors = append(fors, node)
		}
		if s.rest == "" {
			return fors, true
		}
		s.rest = s.rest[1:] // the comma
	}
}

// scanner reads a line from its beginning.
type scanner struct{ rest string }

// element reads pairs up to a comma or the end; found says that there was one.
func (s *scanner) element() (node string, found, ok bool) {
	named := false
	for {
		s.space()
		if s.rest != "" && s.rest[0] != ';' && s.rest[0] != ',' {
			name, value, ok := s.pair()
			isFor := strings.EqualFold(name, "for")
			if !ok || isFor && named {
				return "", false, false // no parameter comes twice
			}
			if found = true; isFor {
				node, named = value, true
			}
			s.space()
		}
		switch {
		case s.rest == "" || s.rest[0] == ',':
			return node, found, true
		case s.rest[0] != ';':
			return "", false, false
		}
		s.rest = s.rest[1:]
	}
}

// pair reads name=value.
func (s *scanner) pair() (name, value string, ok bool) {
	name = s.token()
	if name == "" || !strings.HasPrefix(s.rest, "=") {
		return "", "", false
	}
	s.rest = s.rest[1:]
	if strings.HasPrefix(s.rest, `"`) {
		value, ok = s.quoted()
		return name, value, ok
	}
	value = s.token()
	return name, value, value != ""
}

// quoted reads a quoted-string (RFC 9110 section 5.6.4).
func (s *scanner) quoted() (value string, ok bool) {
	var b strings.Builder
	for i := 1; i < len(s.rest); i++ {
		switch c := s.rest[i]; c {
		case '"':
			s.rest = s.rest[i+1:]
			return b.String(), true
		case '\\':
			if i++; i == len(s.rest) {
				return "", false
			}
			b.WriteByte(s.rest[i])
		default:
			b.WriteByte(c)
		}
	}
	return "", false
}

// token reads what RFC 9110 section 5.6.2 calls so, and colons and brackets:
// many a proxy forgets to quote an address.
func (s *scanner) token() string {
	end := strings.IndexFunc(s.rest, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(`(),/;<=>?@{}"\`, r)
	})
	if end < 0 {
		end = len(s.rest)
	}
	t := s.rest[:end]
	s.rest = s.rest[end:]
	return t
}

func (s *scanner) space() { s.rest = strings.TrimLeft(s.rest, " \t") }
