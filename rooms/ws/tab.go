package ws

import "sync"

// maxOwed answers may wait to be read by the client before its next frame is: control
// frames are never dropped, so a client that only asks must wait.
const maxOwed = 32

// tab counts the client's frames that were not answered yet. A channel of that
// capacity would do, and take its memory in every idle connection.
type tab struct {
	mu   sync.Mutex
	owed int
	paid chan struct{} // closed when less is owed; nil: nobody waits
}

// open puts one answer on the tab, when there is room, unless over is closed before.
func (t *tab) open(over func() <-chan struct{}) (opened bool) {
	for {
		paid := t.tryOpen()
		if paid == nil {
			return true
		}
		select {
		case <-paid:
		case <-over():
			return false
		}
	}
}

// tryOpen returns what to wait for when there is no room. Only the reader calls it.
func (t *tab) tryOpen() (paid <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.owed < maxOwed {
		t.owed++
		return nil
	}
	t.paid = make(chan struct{})
	return t.paid
}

// pay takes answers off the tab that were sent, and of which some, such as $welcome,
// were on none.
func (t *tab) pay(answers int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.owed -= min(answers, t.owed)
	if t.paid != nil {
		close(t.paid)
		t.paid = nil
	}
}
