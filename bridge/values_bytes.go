package bridge

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
)

// appendBase64 appends a bytea, a JSON string in one of the two forms of
// bytea_output (Postgres manual, 8.4), as base64. What is neither is sent as
// printed.
func appendBase64(dst, quoted []byte) []byte {
	var ok bool
	start := len(dst)
	dst = append(dst, '"')
	// In the escape form a backslash is doubled: it never begins with \x.
	if digits, isHex := bytes.CutPrefix(quoted, []byte(`"\\x`)); isHex {
		dst, ok = appendHexBase64(dst, digits[:len(digits)-1])
	} else {
		dst, ok = appendEscapedBase64(dst, appendUnquoted(nil, quoted))
	}
	if !ok {
		return append(dst[:start], quoted...)
	}
	return append(dst, '"')
}

// appendHexBase64 turns hexadecimal digits into base64, piece by piece, without
// a copy of the whole.
func appendHexBase64(dst, digits []byte) (_ []byte, ok bool) {
	var piece [96]byte // a multiple of three: no padding but at the end
	for len(digits) > 0 {
		n := min(len(digits), 2*len(piece))
		if _, err := hex.Decode(piece[:], digits[:n]); err != nil {
			return dst, false
		}
		dst = base64.StdEncoding.AppendEncode(dst, piece[:n/2])
		digits = digits[n:]
	}
	return dst, true
}

// appendEscapedBase64 turns the escape form, \\ and \ooo, into base64. It
// decodes text in place.
func appendEscapedBase64(dst, text []byte) (_ []byte, ok bool) {
	raw := text[:0]
	for len(text) > 0 {
		switch {
		case text[0] != '\\':
			raw = append(raw, text[0])
			text = text[1:]
		case len(text) >= 2 && text[1] == '\\':
			raw = append(raw, '\\')
			text = text[2:]
		case len(text) >= 4 && isOctal(text[1]) && text[1] <= '3' && isOctal(text[2]) && isOctal(text[3]):
			raw = append(raw, (text[1]-'0')<<6|(text[2]-'0')<<3|(text[3]-'0'))
			text = text[4:]
		default:
			return dst, false
		}
	}
	return base64.StdEncoding.AppendEncode(dst, raw), true
}

func isOctal(c byte) bool { return '0' <= c && c <= '7' }
