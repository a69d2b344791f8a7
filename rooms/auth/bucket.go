package auth

import "time"

// Bucket allows so many takings per second, and one second's worth at once. It
// belongs to one goroutine; a nil Bucket allows everything.
type Bucket struct {
	rate   float64 // tokens a second; also the most it holds
	tokens float64
	filled time.Time
}

// NewBucket returns a full bucket, or nil (no limit) when perSecond is 0 or less.
func NewBucket(perSecond int) *Bucket {
	if perSecond <= 0 {
		return nil
	}
	return &Bucket{rate: float64(perSecond), tokens: float64(perSecond)}
}

// Take takes one token, if there is one at the time now.
func (b *Bucket) Take(now time.Time) bool {
	if b == nil {
		return true
	}
	if now.After(b.filled) {
		b.tokens = min(b.rate, b.tokens+now.Sub(b.filled).Seconds()*b.rate)
		b.filled = now
	}
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}
