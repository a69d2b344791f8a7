package pglisten

import (
	"context"
	"sync"
)

// mailbox is what other goroutines leave for the reader, which may be waiting
// for a notification meanwhile: leaving something ends that wait.
type mailbox struct {
	mu        sync.Mutex
	askers    []chan error // want a reading that begins from now on
	catalogue *catalogue   // newest loaded by the chores, not yet picked up
	interrupt context.CancelFunc
	closed    bool
}

// ask registers for the next reading; the channel gets its outcome.
func (m *mailbox) ask() (<-chan error, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil, ErrClosed
	}
	done := make(chan error, 1)
	m.askers = append(m.askers, done)
	m.wake()
	return done, nil
}

// leave puts a freshly loaded catalogue in.
func (m *mailbox) leave(c *catalogue) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.catalogue = c
	m.wake()
}

// wake ends the reader's wait. The caller holds mu.
func (m *mailbox) wake() {
	if m.interrupt != nil {
		m.interrupt()
	}
}

// waiting registers the function that ends the wait about to begin; false means
// there is mail already.
func (m *mailbox) waiting(interrupt context.CancelFunc) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.askers) > 0 || m.catalogue != nil {
		return false
	}
	m.interrupt = interrupt
	return true
}

// collect empties the box before a reading.
func (m *mailbox) collect() (askers []chan error, c *catalogue) {
	m.mu.Lock()
	defer m.mu.Unlock()
	askers, m.askers = m.askers, nil
	c, m.catalogue = m.catalogue, nil
	m.interrupt = nil
	return askers, c
}

// giveBack returns askers whose reading failed: the next one will do.
func (m *mailbox) giveBack(askers []chan error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.askers = append(askers, m.askers...)
}

// close answers everyone, now and later, with ErrClosed.
func (m *mailbox) close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	answer(m.askers, ErrClosed)
	m.askers = nil
}

func answer(askers []chan error, err error) {
	for _, a := range askers {
		a <- err
	}
}
