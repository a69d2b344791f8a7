package bridge

import (
	"fmt"
	"strings"
	"testing"

	"rowcast/pglisten"
	"rowcast/rooms"
)

// inTopic is the insert of a row of the topic.
func inTopic(topic int64, change ...func(*pglisten.Change)) pglisten.Change {
	row := strings.Replace(messageRow, `"topic_id":7`, fmt.Sprintf(`"topic_id":%d`, topic), 1)
	return changeOf(watchMessages(), pglisten.Insert, row, "", change...)
}

func bulk(topics string, cursor string, xid uint64) told {
	return told{Reason: rooms.Bulk, Topics: topics, Cursor: cursor, XID: xid}
}

// TestLargeTransaction: the limit is three changes.
func TestLargeTransaction(t *testing.T) {
	t.Parallel()
	tr, _ := logged()
	// It is announced once, in the place of its last change: nobody who has a
	// later cursor has not been told.
	wantTold(t, tr.batch(oneBatch(
		inTopic(1, nth(1, 732), of(4)), inTopic(9, nth(2, 733), of(3)), inTopic(2, nth(3, 732), of(4)),
		inTopic(2, nth(4, 732), of(4)), changeOf(watchMessages(), pglisten.Update, movedRow, messageRow, nth(5, 732), of(4)), inTopic(9),
	)).Items,
		told{ID: "k3f9.2", Topics: "topic_9 messages", Cursor: "730:730:", XID: 733},
		bulk("messages topic_1 topic_2 topic_7 topic_8", "730:730:", 732),
		told{ID: "k3f9.20481", Topics: "topic_9 messages", Cursor: "735:735:", XID: 734})
}

func TestLargeTransactionOverPieces(t *testing.T) {
	t.Parallel()
	tr, _ := logged()
	first, second := oneBatch(inTopic(1, nth(1, 732), of(4)), inTopic(2, nth(2, 732), of(4))), oneBatch(inTopic(3, nth(3, 732), of(4)), inTopic(4, of(4), func(c *pglisten.Change) { c.XID = 732 }))
	first.Partial = true
	wantTold(t, tr.batch(first).Items)
	useAgain(first)
	wantTold(t, tr.batch(second).Items, bulk("messages topic_1 topic_2 topic_3 topic_4", "735:735:", 732))
	wantTold(t, tr.batch(oneBatch()).Items)
}

// After a break in the middle of a batch the number of changes still to come is
// a guess: what was not announced is, before the cursor moves past it.
func TestLargeTransactionOfUnknownEnd(t *testing.T) {
	t.Parallel()
	tr, _ := logged()
	wantTold(t, tr.batch(oneBatch(inTopic(1, nth(1, 731), of(9)), inTopic(2, nth(2, 732), of(9)), inTopic(3))).Items,
		bulk("messages topic_1", "730:730:", 731),
		bulk("messages topic_2", "730:730:", 732),
		told{ID: "k3f9.20481", Topics: "topic_3 messages", Cursor: "735:735:", XID: 734})
	// Its own last change is the batch's.
	wantTold(t, tr.batch(oneBatch(inTopic(1, nth(1, 731), of(9)), inTopic(2, of(9)))).Items,
		bulk("messages topic_1", "730:730:", 731),
		bulk("messages topic_2", "735:735:", 734))
	// Nothing more came.
	b := oneBatch(inTopic(1, nth(1, 731), of(9)))
	b.Partial = true
	wantTold(t, tr.batch(b).Items)
	wantTold(t, tr.batch(oneBatch()).Items, bulk("messages topic_1", "730:730:", 731))
	// Another epoch: it never was.
	tr.batch(b)
	tr.reset("k3f9")
	wantTold(t, tr.batch(oneBatch()).Items)
}

func TestLargeTransactionInHistory(t *testing.T) {
	t.Parallel()
	tr, _ := logged()
	wantTold(t, tr.history([]pglisten.Change{
		inTopic(1, nth(1, 732), of(4)), inTopic(1, nth(2, 732), of(4)), inTopic(1, nth(3, 732), of(4)), inTopic(1, nth(4, 732), of(4)), inTopic(5),
	}), bulk("messages topic_1", "730:730:", 732), told{ID: "k3f9.20481", Topics: "topic_5 messages", Cursor: "735:735:", XID: 734})
}

// Of too many topics only the patterns are named; a change that cannot tell its
// topics stands for all of its watch's.
func TestLargeTransactionOfManyTopics(t *testing.T) {
	t.Parallel()
	tr, _ := logged()
	var many []pglisten.Change
	for i := range int64(maxExactTopics) {
		many = append(many, inTopic(i, nth(i, 732), of(maxExactTopics)))
	}
	wantTold(t, tr.batch(oneBatch(many...)).Items, bulk("messages topic_*", "730:730:", 732))

	var exact []pglisten.Change
	for i := range int64(maxExactTopics - 1) {
		exact = append(exact, inTopic(i, nth(i, 732), of(maxExactTopics-1)))
	}
	items := tr.batch(oneBatch(exact...)).Items
	if len(items) != 1 || len(items[0].Topics) != maxExactTopics {
		t.Errorf("%d items, %d topics", len(items), len(items[0].Topics))
	}

	torn := inTopic(2, nth(2, 732), of(4))
	torn.New = torn.New[:9]
	emit := func(n int64, topic string) pglisten.Change {
		return changeOf(nil, pglisten.Emit, `{}`, "", nth(n, 732), of(4), emitted("typing", topic))
	}
	wantTold(t, tr.batch(oneBatch(inTopic(1, nth(1, 732), of(4)), torn, emit(3, "user_1"), emit(4, "user_2"))).Items,
		bulk("messages topic_* topic_1 user_1 user_2", "730:730:", 732))
}
