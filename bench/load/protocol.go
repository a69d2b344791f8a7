package load

import "time"

// What a request asks for.
const (
	doDial     = "dial"
	doExpect   = "expect" // answered with waves
	doArrivals = "arrivals"
	doClose    = "close"
)

// request is a line to the load client.
type request struct {
	Do     string
	Group  int   `json:",omitempty"`
	Dial   *Dial `json:",omitempty"`
	Events int   `json:",omitempty"` // that each connection must have got, since it was made, for the first wave
	Step   int   `json:",omitempty"` // so many more for each of the next
	Count  int   `json:",omitempty"` // of waves
}

// answer is a line from it.
type answer struct {
	Error    string            `json:",omitempty"`
	Took     time.Duration     `json:",omitempty"`
	Live     []time.Duration   `json:",omitempty"`
	Arrivals [][]time.Duration `json:",omitempty"`
}
