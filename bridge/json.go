package bridge

import (
	"bytes"
	"errors"
	"unicode/utf8"
)

// errJSON says that text is no JSON, or none that may be sent on. It never
// holds a piece of the text: rows are not for logs.
var errJSON = errors.New("invalid JSON")

// maxDepth is how deep JSON may be nested; encoding/json draws the same line.
const maxDepth = 10_000

// scanner walks JSON text (RFC 8259) once, from its first byte on, and cuts it
// into values without decoding them. A fault ends every walk and is kept: ask
// done at the end. Values it has handed out are valid JSON.
type scanner struct {
	text  []byte
	pos   int
	fault bool
}

// members yields the members of an object: the name as it is written, with its
// quotes and escapes, and the text of the value.
func (s *scanner) members(yield func(name, value []byte) bool) {
	for first := s.open('{'); s.more('}', first); first = false {
		name := s.name()
		value := s.value(1)
		if s.fault || !yield(name, value) {
			return
		}
	}
}

// elements yields the text of each element of an array.
func (s *scanner) elements(yield func(value []byte) bool) {
	for first := s.open('['); s.more(']', first); first = false {
		value := s.value(1)
		if s.fault || !yield(value) {
			return
		}
	}
}

// done reports whether the text was valid and nothing but space is left of it.
func (s *scanner) done() bool {
	s.space()
	return !s.fault && s.pos == len(s.text)
}

// validJSON reports whether text is one JSON value, with space around it or not.
func validJSON(text []byte) bool {
	s := scanner{text: text}
	s.space()
	s.value(0)
	return s.done() && utf8.Valid(text)
}

// value steps over one value and returns its text.
func (s *scanner) value(depth int) []byte {
	start := s.pos
	switch s.peek() {
	case '"':
		s.quoted()
	case '{':
		s.nested('{', '}', depth+1)
	case '[':
		s.nested('[', ']', depth+1)
	case 't':
		s.word("true")
	case 'f':
		s.word("false")
	case 'n':
		s.word("null")
	default:
		s.number()
	}
	return s.text[start:s.pos]
}

// valueLike steps over one value of an object, as value does. If it is the same
// as other, a valid value of another object (nil: none), it is not walked again.
func (s *scanner) valueLike(other []byte) []byte {
	rest := s.text[s.pos:]
	n := len(other)
	if n > 0 && n < len(rest) && (rest[n] == ',' || rest[n] == '}') && bytes.HasPrefix(rest, other) {
		s.pos += n
		return rest[:n]
	}
	return s.value(1)
}

// nested steps over an object or an array.
func (s *scanner) nested(open, end byte, depth int) {
	if depth > maxDepth {
		s.fault = true
		return
	}
	for first := s.open(open); s.more(end, first); first = false {
		if open == '{' {
			s.name()
		}
		s.value(depth)
	}
}

// open steps into an object or array. It is true always, for the sake of the
// loops that begin with it: the next item is the first.
func (s *scanner) open(bracket byte) bool {
	s.space()
	s.expect(bracket)
	return true
}

// more steps to the next item; false behind the closing bracket or at a fault.
func (s *scanner) more(end byte, first bool) bool {
	s.space()
	if s.fault || s.skip(end) {
		return false
	}
	if !first {
		s.expect(',')
		s.space()
	}
	return !s.fault
}

// name steps over a member's name and its colon.
func (s *scanner) name() []byte {
	start := s.pos
	s.quoted()
	name := s.text[start:s.pos]
	s.space()
	s.expect(':')
	s.space()
	return name
}

// quoted steps over a string.
func (s *scanner) quoted() {
	s.expect('"')
	for !s.fault {
		s.pos += plain(s.text[s.pos:])
		if s.skip('"') {
			return
		}
		n := escapeLen(s.text[s.pos:])
		s.pos += n
		s.fault = n == 0
	}
}

// escapeLen returns the length of the escape that text begins with, 0 if it is none.
func escapeLen(text []byte) int {
	if len(text) < 2 || text[0] != '\\' {
		return 0
	}
	switch text[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		if _, ok := hex4(text[2:]); ok {
			return 6
		}
	}
	return 0
}

// number steps over a number.
func (s *scanner) number() {
	s.skip('-')
	if !s.skip('0') {
		s.digits()
	}
	if s.skip('.') {
		s.digits()
	}
	if s.skip('e') || s.skip('E') {
		if !s.skip('+') {
			s.skip('-')
		}
		s.digits()
	}
}

// digits steps over one digit or more.
func (s *scanner) digits() {
	start := s.pos
	for s.pos < len(s.text) && '0' <= s.text[s.pos] && s.text[s.pos] <= '9' {
		s.pos++
	}
	if s.pos == start {
		s.fault = true
	}
}

func (s *scanner) word(w string) {
	if !s.skipAll([]byte(w)) {
		s.fault = true
	}
}

// skipAll steps over what is expected, if the text goes on with it.
func (s *scanner) skipAll(expected []byte) bool {
	if !bytes.HasPrefix(s.text[s.pos:], expected) {
		return false
	}
	s.pos += len(expected)
	return true
}

func (s *scanner) space() {
	for s.pos < len(s.text) {
		switch s.text[s.pos] {
		case ' ', '\n', '\r', '\t':
			s.pos++
		default:
			return
		}
	}
}

// peek returns the next byte, 0 (which no value begins with) at the end.
func (s *scanner) peek() byte {
	if s.pos < len(s.text) {
		return s.text[s.pos]
	}
	return 0
}

func (s *scanner) skip(c byte) bool {
	if s.peek() != c {
		return false
	}
	s.pos++
	return true
}

func (s *scanner) expect(c byte) {
	if !s.skip(c) {
		s.fault = true
	}
}
