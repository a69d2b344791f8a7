package pglisten

import "bytes"

// The largest piece of a batch.
const (
	pieceChanges = 512
	pieceBytes   = 1 << 20
)

// piece holds the changes that are handed on together. Its memory is used again
// for the next ones.
type piece struct {
	changes []Change
	texts   texts
	bytes   int
}

func (p *piece) full() bool { return len(p.changes) >= pieceChanges || p.bytes >= pieceBytes }

// add appends a change whose JSON lies in the connection's buffer.
func (p *piece) add(c Change) {
	p.texts.keep(&c)
	p.changes = append(p.changes, c)
	p.bytes += len(c.New) + len(c.Old)
}

// last returns the last change, nil if there is none.
func (p *piece) last() *Change {
	if len(p.changes) == 0 {
		return nil
	}
	return &p.changes[len(p.changes)-1]
}

func (p *piece) empty() {
	clear(p.changes)
	p.changes, p.texts, p.bytes = p.changes[:0], p.texts[:0], 0
}

// texts are the JSON of many changes in one piece of memory, and after it is full
// in another. Long ones have memory of their own: little of a full piece is wasted,
// and none of them is held once it is taken.
type texts []byte

const (
	textsBytes = 256 << 10 // most pieces need no more
	textLong   = textsBytes / 8
)

// keep copies the JSON of a change.
func (t *texts) keep(c *Change) { c.New, c.Old = t.copy(c.New), t.copy(c.Old) }

func (t *texts) copy(text []byte) []byte {
	switch {
	case len(text) == 0:
		return nil
	case len(text) > textLong:
		return bytes.Clone(text)
	case len(*t)+len(text) > cap(*t):
		*t = make([]byte, 0, textsBytes)
	}
	begin := len(*t)
	*t = append(*t, text...)
	return (*t)[begin:len(*t):len(*t)]
}
