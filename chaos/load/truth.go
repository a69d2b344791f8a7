package load

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"rowcast/chaos/oracle"
)

// change is a line of oracle.change.
type change struct {
	Number   int64
	XID      uint64
	Mutation string
	Op       string
	Source   string
	Was      *string
	WasTopic *int32
	Now      *string
	NowTopic *int32
	Content  *string
	Topics   []string
}

// Truth is what was committed, and to whom it is owed. large is
// limits.transaction_events: a transaction of more changes is owed as a $resync.
func Truth(ctx context.Context, conn *pgx.Conn, large int) (oracle.Truth, error) {
	truth := oracle.Truth{Transactions: map[uint64]oracle.Transaction{}}
	var xid uint64
	var began string
	rows, err := conn.Query(ctx, "SELECT xid::text::bigint, began::text FROM oracle.tx")
	if err != nil {
		return truth, err
	}
	_, err = pgx.ForEachRow(rows, []any{&xid, &began}, func() error {
		snapshot, err := oracle.ParseSnapshot(began)
		truth.Transactions[xid] = oracle.Transaction{XID: xid, Began: snapshot}
		return err
	})
	if err != nil {
		return truth, fmt.Errorf("read the transactions: %w", err)
	}

	rows, err = conn.Query(ctx, `
		SELECT number, xid::text::bigint AS xid, mutation, op::text, source, was, was_topic, now, now_topic, content, topics
		  FROM oracle.change ORDER BY oracle.change.xid, number`)
	if err != nil {
		return truth, err
	}
	changes, err := pgx.CollectRows(rows, pgx.RowToStructByPos[change])
	if err != nil {
		return truth, fmt.Errorf("read the changes: %w", err)
	}
	for len(changes) > 0 {
		xid := changes[0].XID
		if _, ok := truth.Transactions[xid]; !ok {
			return truth, fmt.Errorf("transaction %d is not written down", xid)
		}
		n := 0
		for n < len(changes) && changes[n].XID == xid {
			n++
		}
		truth.Owed = append(truth.Owed, owed(changes[:n], large)...)
		changes = changes[n:]
	}
	return truth, nil
}

// owed is what a transaction owes.
func owed(changes []change, large int) []oracle.Owed {
	changes = told(changes)
	if len(changes) > large {
		return []oracle.Owed{announced(changes)}
	}
	var all []oracle.Owed
	var order int64
	for i, c := range changes {
		// Of the rows of a statement none comes first: an upsert at statement
		// level has its updates logged before its inserts.
		if i == 0 || c.Mutation != changes[i-1].Mutation {
			order = c.Number
		}
		for _, o := range c.owed() {
			o.XID, o.Order = c.XID, order
			all = append(all, o)
		}
	}
	return all
}

// told are the changes that rowcast logs: of a table for which the transaction
// has called bulk(), no row from then on. A second call is none.
func told(changes []change) []change {
	silent := map[string]bool{}
	return slices.DeleteFunc(changes, func(c change) bool {
		switch c.Op {
		case "I", "U", "D":
			return silent[c.Source]
		case "B":
			again := silent[c.Source]
			silent[c.Source] = true
			return again
		default:
			return false
		}
	})
}

// announced is the one $resync of a transaction that is too large.
func announced(changes []change) oracle.Owed {
	last := changes[len(changes)-1]
	o := oracle.Owed{XID: last.XID, Order: last.Number, Key: last.Mutation + "/large/", Notice: true}
	for _, c := range changes {
		for _, part := range c.owed() {
			o.Topics = append(o.Topics, part.Topics...)
		}
	}
	slices.Sort(o.Topics)
	o.Topics = slices.Compact(o.Topics)
	return o
}

// owed is what a change owes: to nobody anything, one event, or, of a row that
// left a topic, two.
func (c change) owed() []oracle.Owed {
	if c.Op == "E" {
		return []oracle.Owed{{Key: c.Mutation + "/" + c.Source + "/", Topics: c.Topics, Value: *c.Content}}
	}
	t := tables[slices.IndexFunc(tables, func(t table) bool { return t.name == c.Source })]
	switch c.Op {
	case "B":
		return []oracle.Owed{{Key: c.Mutation + "/bulk/", Topics: t.patterns(), Notice: true}}
	case "T":
		return []oracle.Owed{{Key: c.Mutation + "/truncate/", Topics: t.patterns(), Notice: true}}
	case "I":
		return c.event(t.entity+"_created", c.Now, t.names(c.NowTopic), *c.Content)
	case "D":
		return c.event(t.entity+"_deleted", c.Was, t.names(c.WasTopic), "")
	default:
		topics := t.names(c.NowTopic)
		left := slices.DeleteFunc(t.names(c.WasTopic), func(name string) bool { return slices.Contains(topics, name) })
		return append(c.event(t.entity+"_deleted", c.Was, left, ""),
			c.event(t.entity+"_updated", c.Now, topics, *c.Content)...)
	}
}

// event is one event about a row; none without topics.
func (c change) event(typ string, row *string, topics []string, value string) []oracle.Owed {
	if len(topics) == 0 {
		return nil
	}
	return []oracle.Owed{{
		Key:     c.Mutation + "/" + typ + "/" + *row,
		Topics:  topics,
		Row:     c.Source + "/" + *row,
		Version: c.Number,
		Value:   value,
	}}
}
