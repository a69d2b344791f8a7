package pglisten

import (
	"bytes"
	"testing"
)

// TestTexts: a long text spoils no memory for the short ones around it, and is not
// held when all are taken.
func TestTexts(t *testing.T) {
	t.Parallel()
	text := func(i, size int) []byte { return bytes.Repeat([]byte{byte('a' + i)}, size) }
	var p piece
	sizes := []int{10, 10 * textsBytes, 20, textLong + 1, textLong, 0}
	for i, size := range sizes {
		buffer := text(i, size)
		p.add(Change{New: buffer, Old: buffer})
		clear(buffer) // as the connection does
	}
	for i, size := range sizes {
		if c := p.changes[i]; !bytes.Equal(c.New, text(i, size)) || !bytes.Equal(c.Old, text(i, size)) {
			t.Errorf("text %d is another", i)
		}
	}
	if n := len(p.texts); n != 2*(10+20+textLong) {
		t.Errorf("%d bytes are together", n)
	}
	p.empty()
	if n := cap(p.texts); n != textsBytes {
		t.Errorf("%d bytes are held", n)
	}
}
