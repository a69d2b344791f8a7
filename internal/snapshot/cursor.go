package snapshot

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math/bits"
)

// MaxCursor is the longest cursor text in bytes. A snapshot that does not fit
// is made coarser until it does.
const MaxCursor = 512

// maxEpoch bounds the epoch within a cursor, in bytes.
const maxEpoch = 32

// Cursor is a resume token: everything visible in Snapshot has been delivered,
// in the log of the given epoch.
type Cursor struct {
	Epoch    string
	Snapshot Snapshot
}

// Encode returns the cursor's text: at most MaxCursor bytes of base64url over
// the epoch, xmax, and the running xids as differences. A list of running
// transactions that does not fit is cut at its first xid left out, which becomes
// xmax: seeing less, it can only repeat events, never skip one. The epoch is at
// most 32 bytes.
func (c Cursor) Encode() string {
	room := base64.RawURLEncoding.DecodedLen(MaxCursor) - 1 - len(c.Epoch)
	s := c.Snapshot.coarsened(room)
	b := append([]byte{byte(len(c.Epoch))}, c.Epoch...)
	b = binary.AppendUvarint(b, s.xmax)
	last := uint64(0)
	for _, x := range s.xip {
		b = binary.AppendUvarint(b, x-last)
		last = x
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

// coarsened returns the part of s that can be encoded in room bytes.
func (s Snapshot) coarsened(room int) Snapshot {
	room -= uvarintLen(s.xmax)
	last := uint64(0)
	for _, x := range s.xip {
		room -= uvarintLen(x - last)
		if room < 0 {
			return s.Below(x)
		}
		last = x
	}
	return s
}

// uvarintLen is the number of bytes that binary.AppendUvarint appends.
func uvarintLen(x uint64) int { return (bits.Len64(x|1) + 6) / 7 }

// DecodeCursor reads what Encode wrote. Its text comes from clients: anything
// else is ErrSyntax, found before memory in proportion to the text is taken.
func DecodeCursor(text string) (Cursor, error) {
	bad := fmt.Errorf("decode cursor: %w", ErrSyntax)
	if len(text) > MaxCursor {
		return Cursor{}, bad
	}
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(b) == 0 {
		return Cursor{}, bad
	}
	n := int(b[0])
	if n > maxEpoch || len(b) < 1+n {
		return Cursor{}, bad
	}
	c := Cursor{Epoch: string(b[1 : 1+n])}
	b = b[1+n:]
	xmax, n := binary.Uvarint(b)
	if n <= 0 {
		return Cursor{}, bad
	}
	c.Snapshot.xmax = xmax
	last := uint64(0)
	for b = b[n:]; len(b) > 0; b = b[n:] {
		var d uint64
		d, n = binary.Uvarint(b)
		if n <= 0 || d == 0 || d >= xmax-last {
			return Cursor{}, bad
		}
		last += d
		c.Snapshot.xip = append(c.Snapshot.xip, last)
	}
	c.Snapshot = c.Snapshot.trim()
	// base64 and varints have several texts for one value; Encode writes one.
	if c.Encode() != text {
		return Cursor{}, bad
	}
	return c, nil
}
