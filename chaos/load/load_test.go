package load

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"rowcast/chaos/oracle"
	"rowcast/internal/pgtemp/pgtest"
	"rowcast/migrations"
)

func TestMain(m *testing.M) {
	pgtest.Main(m, func(ctx context.Context, url string) error {
		if err := migrations.Up(ctx, url, migrations.Options{}); err != nil {
			return err
		}
		conn, err := pgx.Connect(ctx, url)
		if err != nil {
			return err
		}
		if err := Install(ctx, conn, DefaultTopics); err != nil {
			return err
		}
		// Somebody has looked just now: else nothing would be logged.
		_, err = conn.Exec(ctx, "SELECT setval('rowcast.doorbell', (extract(epoch FROM clock_timestamp()) * 1000)::bigint)")
		if err != nil {
			return err
		}
		return conn.Close(ctx)
	})
}

// seed is that of make test, or a new one.
func seed(t *testing.T) uint64 {
	t.Helper()
	n, err := strconv.ParseUint(os.Getenv("ROWCAST_TEST_SEED"), 10, 64)
	if err != nil {
		n = uint64(time.Now().UnixNano())
	}
	t.Logf("ROWCAST_TEST_SEED=%d", n)
	return n
}

// worked runs a load of so many transactions on a fresh database, Fin included,
// and returns what is left.
func worked(t *testing.T, transactions int, o Options) (*Load, *pgx.Conn) {
	t.Helper()
	url := pgtest.Database(t)
	o.URL = func() string { return url }
	l := New(o)
	until(t, l, func() bool { return l.Counts().Transactions >= transactions })
	key, xid, err := l.Fin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	conn := pgtest.Connect(t, url)
	last := truth(t, conn, 1000)
	if o := find(last, key); o == nil || o.XID != xid || !slices.Equal(o.Topics, Names(DefaultTopics)) {
		t.Errorf("Fin says %s of %d, the truth %+v", key, xid, o)
	}
	for other := range last.Transactions {
		if other != xid && !last.Transactions[xid].Began.Sees(other) {
			t.Errorf("Fin began before %d had ended", other)
		}
	}
	t.Logf("%+v", l.Counts())
	return l, conn
}

// until runs a load until enough is done.
func until(t *testing.T, l *Load, enough func() bool) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var done sync.WaitGroup
	done.Go(func() { l.Run(ctx) })
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !enough() {
		<-tick.C
	}
	cancel()
	done.Wait()
}

func truth(t *testing.T, conn *pgx.Conn, large int) oracle.Truth {
	t.Helper()
	truth, err := Truth(t.Context(), conn, large)
	if err != nil {
		t.Fatal(err)
	}
	keys := map[string]bool{}
	for _, o := range truth.Owed {
		if keys[o.Key] {
			t.Errorf("two are called %s", o.Key)
		}
		keys[o.Key] = true
		if o.Row != "" && len(o.Topics) == 0 {
			t.Errorf("%s is owed to nobody", o.Key)
		}
	}
	return truth
}

func find(t oracle.Truth, key string) *oracle.Owed {
	i := slices.IndexFunc(t.Owed, func(o oracle.Owed) bool { return o.Key == key })
	if i < 0 {
		return nil
	}
	return &t.Owed[i]
}

// Whoever follows the truth has the tables.
func TestTruth_folds_to_the_tables(t *testing.T) {
	t.Parallel()
	_, conn := worked(t, 300, Options{Seed: seed(t), Pause: 5 * time.Millisecond, Padding: 300, Open: 50 * time.Millisecond})

	want := map[string]string{}
	for _, table := range tables {
		rows, err := conn.Query(t.Context(), fmt.Sprintf("SELECT concat_ws(',', %s), topic_id, content FROM %s", table.key, table.name))
		if err != nil {
			t.Fatal(err)
		}
		var key, content string
		var topic *int32
		_, err = pgx.ForEachRow(rows, []any{&key, &topic, &content}, func() error {
			if names := table.names(topic); len(names) > 0 && content != "" { // "": untouched since the beginning
				want[table.name+"/"+key] = fmt.Sprint(names, content)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}

	got := map[string]string{}
	owed := truth(t, conn, 1000).Owed
	slices.SortStableFunc(owed, func(a, b oracle.Owed) int { return int(a.Version - b.Version) })
	types := map[string]int{}
	for _, o := range owed {
		typ := strings.Split(o.Key, "/")[1]
		types[typ]++
		switch {
		case o.Row == "":
		case strings.HasSuffix(typ, "_deleted"):
			delete(got, o.Row)
		default:
			got[o.Row] = fmt.Sprint(o.Topics, o.Value)
		}
	}
	for row := range want {
		if got[row] != want[row] {
			t.Errorf("%s is %.80q, and by the truth %.80q", row, want[row], got[row])
		}
	}
	for row := range got {
		if want[row] == "" {
			t.Errorf("%s is gone, and by the truth there", row)
		}
	}
	t.Log(types, len(want), "rows")
	if len(types) != 3*len(tables)+2 {
		t.Errorf("not all types of events: %v", types)
	}
}

// What is owed is what rowcast's triggers have logged, which know nothing of the
// oracle's: neither of them tells what was rolled back, and none disturbs the other.
func TestTruth_is_what_is_logged(t *testing.T) {
	t.Parallel()
	const limit = 200
	_, conn := worked(t, 600, Options{
		Seed: seed(t), Writers: 3, Pause: 5 * time.Millisecond, Bulk: true, Truncate: true, Large: 2 * limit,
		Padding: 300, Open: 50 * time.Millisecond,
	})

	// A moved row is two events, of one change. A large transaction is one.
	rows, err := conn.Query(t.Context(), `
		WITH l AS (
		  SELECT l.*, w.entity, w.source::text, count(*) OVER (PARTITION BY l.xid) > $1 AS large, row_number() OVER (PARTITION BY l.xid ORDER BY l.id DESC) AS last,
		         (coalesce(l.old, l.data)->>'id') || CASE WHEN w.entity = 'note' THEN ',' || (coalesce(l.old, l.data)->>'topic_id') ELSE '' END AS was,
		         (l.data->>'id') || CASE WHEN w.entity = 'note' THEN ',' || (l.data->>'topic_id') ELSE '' END AS now,
		         w.entity <> 'item' OR l.data->>'topic_id' IS NOT NULL AS heard,
		         l.old->>'topic_id' IS DISTINCT FROM l.data->>'topic_id' AND l.old->>'topic_id' IS NOT NULL AS moved
		    FROM rowcast.log l LEFT JOIN rowcast.watch w ON w.id = l.watch)
		SELECT xid::text || ' ' || mutation_id || '/large/'                    FROM l WHERE large AND last = 1 UNION ALL
		SELECT xid::text || ' ' || mutation_id || '/' || entity || '_created/' || now FROM l WHERE NOT large AND op = 'I' AND heard UNION ALL
		SELECT xid::text || ' ' || mutation_id || '/' || entity || '_updated/' || now FROM l WHERE NOT large AND op = 'U' AND heard UNION ALL
		SELECT xid::text || ' ' || mutation_id || '/' || entity || '_deleted/' || was FROM l WHERE NOT large AND (op = 'D' AND heard OR op = 'U' AND moved) UNION ALL
		SELECT xid::text || ' ' || mutation_id || '/truncate/'                 FROM l WHERE NOT large AND op = 'T' UNION ALL
		SELECT xid::text || ' ' || mutation_id || '/bulk/'                     FROM l WHERE NOT large AND op = 'B' UNION ALL
		SELECT xid::text || ' ' || mutation_id || '/' || type || '/'           FROM l WHERE NOT large AND op = 'E'`, limit)
	if err != nil {
		t.Fatal(err)
	}
	logged, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}

	notices := map[string]int{}
	var owed []string
	for _, o := range truth(t, conn, limit).Owed {
		owed = append(owed, fmt.Sprint(o.XID, " ", o.Key))
		if o.Notice {
			notices[strings.Split(o.Key, "/")[1]]++
		}
	}
	slices.Sort(owed)
	slices.Sort(logged)
	if only := without(owed, logged); len(only) > 0 {
		t.Errorf("owed, but not logged: %d of %d, %v", len(only), len(owed), only[:min(len(only), 5)])
	}
	if only := without(logged, owed); len(only) > 0 {
		t.Errorf("logged, but not owed: %d of %d, %v", len(only), len(logged), only[:min(len(only), 5)])
	}
	t.Log(len(owed), "owed,", notices)
	if kinds := sorted(notices); !slices.Equal(kinds, []string{"bulk", "large", "truncate"}) {
		t.Errorf("not all kinds of notices: %v", notices)
	}
}

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// without returns what of a is not in b; both are sorted.
func without(a, b []string) (only []string) {
	for _, s := range a {
		if _, found := slices.BinarySearch(b, s); !found {
			only = append(only, s)
		}
	}
	return only
}
