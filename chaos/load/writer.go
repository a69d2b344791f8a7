package load

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	applicationName = "chaos load"

	// patience is how long a writer gives a transaction, or a connection, that
	// does not get on. Beside it Postgres has its own: no lock is waited for
	// longer than a second, and what a cut network left open ends by itself.
	patience = 5 * time.Second

	retry = 50 * time.Millisecond // between attempts to connect, the mean
)

// connect makes a connection of the application's. What it has committed stays:
// a server that is fast because it may forget does not forget that.
func connect(ctx context.Context, url string, open time.Duration) (*pgx.Conn, error) {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, err
	}
	config.RuntimeParams["application_name"] = applicationName
	config.RuntimeParams["synchronous_commit"] = "on"
	config.RuntimeParams["lock_timeout"] = "1s"
	config.RuntimeParams["deadlock_timeout"] = "100ms" // which only a superuser may set
	config.RuntimeParams["idle_in_transaction_session_timeout"] = fmt.Sprint((open + patience).Milliseconds())
	return pgx.ConnectConfig(ctx, config)
}

// writer makes one transaction after the other.
type writer struct {
	load   *Load
	number int
	rng    *rand.Rand
	conn   *pgx.Conn // nil: none
	made   int       // transactions
}

func (w *writer) run(ctx context.Context) {
	defer w.hangUp(ctx)
	for ctx.Err() == nil {
		if w.conn == nil && !w.dial(ctx) {
			pause(ctx.Done(), w.exponential(retry))
			continue
		}
		w.transact(ctx)
		pause(ctx.Done(), w.exponential(w.load.o.Pause))
	}
}

func (w *writer) dial(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	conn, err := connect(ctx, w.load.o.URL(), w.load.o.Open)
	w.conn = conn
	return err == nil
}

func (w *writer) hangUp(ctx context.Context) {
	if w.conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	w.conn.Close(ctx)
	w.conn = nil
}

// transact makes one transaction and counts it.
func (w *writer) transact(ctx context.Context) {
	w.made++
	t := &transaction{
		Rand: w.rng, o: &w.load.o, stop: ctx.Done(),
		name: fmt.Sprintf("%x.%d.%d", w.load.o.Seed, w.number, w.made),
	}
	work, cancel := context.WithTimeout(context.WithoutCancel(ctx), w.load.o.Open+patience)
	defer cancel()
	w.load.ended(t, t.run(work, w.conn, w.script()))
	if w.conn.IsClosed() {
		w.conn = nil
	}
}

// script is what the next transaction does. The rarer kinds come from the first
// writer, in turns, so that a short run has each of them.
func (w *writer) script() script {
	var rare []script
	if w.load.o.Bulk {
		rare = append(rare, bulk)
	}
	if w.load.o.Truncate {
		rare = append(rare, truncate)
	}
	if w.load.o.Large > 0 {
		rare = append(rare, large)
	}
	const every = 5
	if w.number == 0 && len(rare) > 0 && w.made%every == 0 {
		return rare[w.made/every%len(rare)]
	}
	return usual
}

// exponential is a random time with this mean.
func (w *writer) exponential(mean time.Duration) time.Duration {
	return time.Duration(w.rng.ExpFloat64() * float64(mean))
}
