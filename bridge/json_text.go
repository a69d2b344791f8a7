package bridge

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
)

// appendCompact appends a valid value without the space between its tokens. No
// token but a string may hold space, and no string a line break: the result is
// one line.
func appendCompact(dst, value []byte) []byte {
	start := 0
	for i := 0; i < len(value); i++ {
		switch value[i] {
		case '"':
			i += quotedLen(value[i:]) - 1
		case ' ', '\n', '\r', '\t':
			dst = append(dst, value[start:i]...)
			start = i + 1
		}
	}
	return append(dst, value[start:]...)
}

// quotedLen returns the length of the valid string that text begins with.
func quotedLen(text []byte) int {
	for i := 1; ; i += 2 { // over a backslash and what it escapes
		i += plain(text[i:])
		if text[i] == '"' {
			return i + 1
		}
	}
}

// plain returns how many bytes text begins with that stand for themselves in a
// JSON string: all but quotes, backslashes and control characters.
func plain(text []byte) int {
	n := 0
	for ; len(text)-n >= 8; n += 8 {
		if marks := special(binary.LittleEndian.Uint64(text[n:])); marks != 0 {
			return n + bits.TrailingZeros64(marks)/8
		}
	}
	for n < len(text) && text[n] >= ' ' && text[n] != '"' && text[n] != '\\' {
		n++
	}
	return n
}

// special sets the highest bit of the first of eight bytes that is not plain, of
// none if all are. Bits behind it may be set, too. (Bit Twiddling Hacks,
// "Determine if a word has a byte less than n")
func special(word uint64) uint64 {
	const each = 0x01_01_01_01_01_01_01_01
	quote := word ^ each*'"'
	backslash := word ^ each*'\\'
	return ((word-each*' ')&^word | (quote-each)&^quote | (backslash-each)&^backslash) & (each * 0x80)
}

const hexDigits = "0123456789abcdef"

// appendString appends text as a JSON string, escaping what must be escaped and
// nothing else, as Postgres does.
func appendString[T string | []byte](dst []byte, text T) []byte {
	dst = append(dst, '"')
	start := 0
	for i := range len(text) {
		c := text[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		dst = append(dst, text[start:i]...)
		start = i + 1
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\b':
			dst = append(dst, `\b`...)
		case '\f':
			dst = append(dst, `\f`...)
		case '\n':
			dst = append(dst, `\n`...)
		case '\r':
			dst = append(dst, `\r`...)
		case '\t':
			dst = append(dst, `\t`...)
		default:
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
	}
	dst = append(dst, text[start:]...)
	return append(dst, '"')
}

// appendUnquoted appends what a valid JSON string says. Half a surrogate pair
// becomes U+FFFD, as in encoding/json.
func appendUnquoted(dst, quoted []byte) []byte {
	text := quoted[1 : len(quoted)-1]
	for {
		plain := bytes.IndexByte(text, '\\')
		if plain < 0 {
			return append(dst, text...)
		}
		dst = append(dst, text[:plain]...)
		text = text[plain:]
		n := escapeLen(text)
		switch text[1] {
		case 'b':
			dst = append(dst, '\b')
		case 'f':
			dst = append(dst, '\f')
		case 'n':
			dst = append(dst, '\n')
		case 'r':
			dst = append(dst, '\r')
		case 't':
			dst = append(dst, '\t')
		case 'u':
			r, _ := hex4(text[2:])
			if utf16.IsSurrogate(r) {
				r = lowSurrogate(r, text[n:], &n)
			}
			dst = utf8.AppendRune(dst, r)
		default:
			dst = append(dst, text[1])
		}
		text = text[n:]
	}
}

// lowSurrogate joins the high surrogate with the low one that rest begins with,
// and adds its length to n; U+FFFD if there is none.
func lowSurrogate(high rune, rest []byte, n *int) rune {
	if !bytes.HasPrefix(rest, []byte(`\u`)) {
		return utf8.RuneError
	}
	low, _ := hex4(rest[2:])
	r := utf16.DecodeRune(high, low)
	if r != utf8.RuneError {
		*n += 6
	}
	return r
}

// hex4 reads the four hexadecimal digits that text begins with.
func hex4(text []byte) (r rune, ok bool) {
	if len(text) < 4 {
		return 0, false
	}
	for _, c := range text[:4] {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}
