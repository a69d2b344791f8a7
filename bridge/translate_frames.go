package bridge

// frames are the JSON of many events in one piece of memory, and after it is full
// in another.
type frames []byte

const framesBytes = 256 << 10 // most pieces of a batch need no more

// keep copies a frame.
func (f *frames) keep(frame []byte) []byte {
	if len(*f)+len(frame) > cap(*f) {
		*f = make([]byte, 0, max(framesBytes, len(frame)))
	}
	begin := len(*f)
	*f = append(*f, frame...)
	return (*f)[begin:len(*f):len(*f)]
}

// empty gives the memory of the last frames to the next.
func (f *frames) empty() { *f = (*f)[:0] }
