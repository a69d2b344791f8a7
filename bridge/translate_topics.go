package bridge

// How much a plan remembers of the topics its templates made: so many bytes, and
// nothing of values longer than few rows share.
const (
	topicListsBytes = 1 << 20
	topicListsKey   = 256

	// What a list and a name in it take beside their text, about.
	listOverhead = 96
	nameOverhead = 24
)

// topicLists are lists of topic names, by the values that they were made of. When
// they are too many all are forgotten: those that are still wanted are soon back.
type topicLists struct {
	lists map[string][]string
	bytes int
}

func newTopicLists() topicLists { return topicLists{lists: make(map[string][]string)} }

func (l *topicLists) find(key []byte) (names []string, known bool) {
	names, known = l.lists[string(key)]
	return names, known
}

func (l *topicLists) remember(key []byte, names []string) {
	if len(key) > topicListsKey {
		return
	}
	size := listOverhead + len(key)
	for _, name := range names {
		size += nameOverhead + len(name)
	}
	if l.bytes += size; l.bytes > topicListsBytes {
		clear(l.lists)
		l.bytes = size
	}
	l.lists[string(key)] = names
}
