// Package rooms fans events out in memory: who is a member of which topic, what
// waits for whom, and the history that answers "what did I miss?".
//
// A Hub takes batches from one source (Publish) and hands each item to the
// members of its rooms. A Subscriber is a connection's place in the hub: the
// endpoint lets it Join and Leave topics and sends what Next returns. Bytes are
// made before they come here and leave unopened.
//
// # What is guaranteed
//
// A subscriber is sent what an endless queue would hold: every event of its
// topics in the hub's order, each once, $joined between the replay and the first
// live event, control frames in their places. The queue is not endless, so a
// stretch of it may be a span instead, which stands for the same items in the
// history and is read from there piece by piece:
//
//	           queue full: its events
//	           become spans, the last open
//	┌──────┐ ──────────────────────────▶ ┌────────┐  push does nothing:
//	│ live │                             │ behind │  the history has it
//	└──────┘ ◀────────────────────────── └────────┘
//	           Next reached the head of the
//	           history, or a $resync passed over what it no longer holds
//
//	a join with since or lookback queues a span too, closed at that moment:
//	… event, event, [replay: first … head → $joined], event, event …
//
// A closed span ends at an item; an open one at whatever is newest. A frame of
// the subscriber's own closes an open span before it, and live events gather
// behind. So one mechanism serves replay, overflow and catching up, and the
// moment between replay and live is a number: an item's place in the hub's count.
//
// # Cursors
//
// A cursor is a snapshot (internal/snapshot): the transactions its client has
// seen. The history knows of each item what all items up to it make visible, its
// mark. A cursor C is answered when it sees the floor, the mark of the newest item
// dropped; then everything that C does not see is still there. Otherwise the
// client is told to refetch: silence is never an answer.
//
// # Access
//
// Who may join what is decided elsewhere, and takes its time. A change of access
// comes in a batch like an event, and has its place between the events:
//
//	Mark ── decision, by whatever means ── Join{Mark}     good: nothing changed
//	Mark ── decision ──── change ───────── Join{Mark}     unavailable: ask again
//	Mark ── decision ── Join{Mark} ── change ──▶ $left {revoked}, and no event
//	                                              published behind it
//
// The hub notes each change in a ledger, under the lock that joins take too, and
// a Join whose decision is older than a change of that subject and topic is
// denied. The same question, Changed, tells who keeps decisions which of them are
// void. The ledger forgets: what it no longer knows is taken for changed.
//
// An eviction is a membership's end at an exact item. What was published before
// is still sent, from the queue or from the history, then $left, which nothing
// drops; who joins again starts as anyone does. A subscriber whose level has no
// $left ends, and so does one (Guarded) of whom it is not known what changed.
//
// # Who writes
//
// An item becomes a frame once; every member gets these bytes. A Subscriber's frames
// are taken by who calls Next, or written to its Outlet, which never waits:
//
//	Publish ──▶ queues ──┬─ few woken: Publish itself ─┐
//	                     │                             ├─▶ Outlet.Send ──▶ true: the next
//	control frames, … ───┴─ shards, one for each core ─┘        │
//	                     ▲                                      ▼ false: congested
//	                     └───────────────── Resume ◀── when it takes frames again
//
// A shard goes from one subscriber that has something to write to the next, and takes
// with it all that waits for each: what is published meanwhile costs no system call of
// its own, so whoever falls behind becomes cheaper. Publish waits when the shards are
// too far behind, by frames or by bytes. That holds the source up, and keeps the queue
// of a client that takes what comes from ever being full; one that is congested holds
// up nobody.
//
// # Locks and goroutines
//
// The hub's lock guards rooms, memberships and the history; a subscriber's own
// guards its queue and is taken after the hub's; a shard's guards its list and is
// taken last. Nothing is called and nothing written under any of them. A subscriber is
// written for by one goroutine at a time: whoever found it not busy, and after a Send
// that returned false the outlet. A shard's goroutine is there while there is something
// to write, and nothing makes it wait. Beside these the package starts none: Run is
// called by who made the hub, and Options.Refresh runs in a Join. The endpoint closes
// its subscribers, each once done; Hub.Close only keeps new ones out.
//
// It never imports a database driver, net/http, a WebSocket, the configuration,
// or package bridge.
package rooms
