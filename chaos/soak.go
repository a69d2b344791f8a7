package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"rowcast/chaos/client"
	"rowcast/chaos/load"
	"rowcast/chaos/oracle"
	"rowcast/internal/pgtemp"
)

// A soak asks what no short run can: whether a process that lives long gets
// bigger. It is a chain of rounds over two instances that stay. In each, clients
// come, are a nuisance and leave for good, while the application writes; then the
// oracle judges the round and forgets it. Between two rounds, when only the
// residents are left, the figures are taken: at rest, so that they would be the
// same each time if nothing leaked.
type soak struct {
	length  time.Duration
	seed    uint64
	out     io.Writer
	world   *world
	runner  *runner
	rng     *rand.Rand
	began   time.Time
	series  map[string][]point // by the bound's title
	grown   []string           // the titles of those that did
	owed    int                // events, over all rounds
	rounds  int
	faults  []oracle.Violation
	guests  []*resident
	cleanup []func() error
}

const (
	soakLookback = 2 * time.Second // no client of the next round looks back further
	soakRetained = 8 * time.Minute // the least that rowcast.configure takes
	soakHistory  = time.Minute
)

// soakScenario is what the rounds are made of.
func (s *soak) soakScenario() scenario {
	return scenario{
		name: "soak", instances: 2, clients: 12, heartbeat: 5 * time.Second, ends: told,
		habits: func(rng *rand.Rand, _ int) client.Habits {
			return client.Habits{Drop: time.Duration(1+rng.IntN(5)) * time.Second, Churn: 2 * time.Second, Halt: 10 * time.Second, HaltFor: 500 * time.Millisecond}
		},
		settings: []string{"--history.age=" + soakHistory.String(), "--log.level=info"},
		act:      s.trouble,
	}
}

// runSoak is `go run ./chaos soak`.
func runSoak(ctx context.Context, args []string, out, errs io.Writer) int {
	s := &soak{out: out, series: map[string][]point{}}
	var bin, leak string
	f := flag.NewFlagSet("chaos soak", flag.ContinueOnError)
	f.SetOutput(errs)
	f.DurationVar(&s.length, "for", time.Hour, "how long; Ctrl-C judges what there is")
	f.Uint64Var(&s.seed, "seed", 0, "0: any")
	f.StringVar(&bin, "bin", "", "the binary to soak; default: built from ./cmd/rowcast")
	f.StringVar(&leak, "broken", "", "prove that this leak is caught: "+strings.Join(leakNames(), ", "))
	switch err := f.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return exitDone
	case err != nil || f.NArg() > 0 || s.length <= 0:
		return exitUsage
	}
	if s.seed == 0 {
		s.seed = 1 + rand.Uint64N(1_000_000)
	}
	if err := s.run(ctx, bin, leak); err != nil {
		fmt.Fprintf(errs, "chaos: %v\n", err)
		return exitFailed
	}
	return exitDone
}

// run soaks and judges. The error says that something is wrong.
func (s *soak) run(ctx context.Context, bin, leak string) (err error) {
	dir, err := os.MkdirTemp("", "rowcast-soak-")
	if err != nil {
		return err
	}
	defer func() {
		if err == nil {
			_ = os.RemoveAll(dir) // what stays is in a temporary folder
			return
		}
		err = fmt.Errorf("%w; the daemons' logs are in %s", err, dir)
	}()
	as := ""
	switch {
	case leak != "":
		bin, as, err = buildLeaking(ctx, leak, dir)
	case bin == "":
		bin, err = build(ctx, dir)
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(s.out, "soak for %v, seed %d\n", s.length, s.seed)
	defer func() {
		for _, f := range s.cleanup {
			err = errors.Join(err, f())
		}
	}()
	if err := s.begin(ctx, bin, dir); err != nil {
		return err
	}
	err = s.last(ctx)
	if ctx.Err() != nil {
		err = nil // interrupted: what there is, is judged
		fmt.Fprintln(s.out, "interrupted")
	}
	err = errors.Join(err, s.judge(ctx))
	if leak != "" {
		err = s.caught(as, err)
	}
	return err
}

// begin starts all that stays.
func (s *soak) begin(ctx context.Context, bin, dir string) error {
	s.rng = rand.New(rand.NewPCG(s.seed, 1))
	s.runner = newRunner(bin, dir, 1)
	s.cleanup = append(s.cleanup, s.runner.close)
	sc := s.soakScenario()
	server, err := s.runner.servers.take(ctx, scenario{cluster: pgtemp.Options{}})
	if err != nil {
		return err
	}
	s.world, err = newWorld(ctx, s.runner, sc, s.seed, server, dir)
	s.cleanup = append([]func() error{func() error { return s.world.end(context.WithoutCancel(ctx)) }}, s.cleanup...)
	if err != nil {
		return err
	}
	if err := s.sql(ctx, fmt.Sprintf("SELECT rowcast.configure('%d seconds')", int(soakRetained.Seconds()))); err != nil {
		return err
	}
	if err := allAtOnce(s.world.instances, func(i *instance) error { return i.start(ctx) }); err != nil {
		return err
	}
	for _, kind := range []oracle.Kind{oracle.Library, oracle.Plain, oracle.Stream} {
		guest, err := moveIn(ctx, kind, s.kept().addr)
		if err != nil {
			return err
		}
		s.guests = append(s.guests, guest)
	}
	s.cleanup = append([]func() error{s.moveOut}, s.cleanup...)
	s.began = time.Now()
	return nil
}

// kept is the instance that is never restarted.
func (s *soak) kept() *instance { return s.world.instances[0] }

// last plays rounds until the time is over.
func (s *soak) last(ctx context.Context) error {
	for ctx.Err() == nil && time.Since(s.began) < s.length {
		s.rounds++
		commits, verdict, err := s.round(ctx)
		if err != nil {
			return fmt.Errorf("round %d: %w", s.rounds, err)
		}
		s.owed += verdict.Owed
		s.faults = append(s.faults, verdict.Violations...)
		if err := s.rest(ctx); err != nil {
			return fmt.Errorf("at rest after round %d: %w", s.rounds, err)
		}
		s.line(commits, verdict)
		if len(s.faults) > mostViolations {
			return nil // it is enough
		}
	}
	return ctx.Err()
}

// round is one: at most a minute, so that there is a line a minute, and short
// enough that a short soak has rounds to compare.
func (s *soak) round(ctx context.Context) (commits int, v oracle.Verdict, err error) {
	w := s.world
	w.load = load.New(load.Options{
		URL: w.writers, Seed: s.rng.Uint64(), Topics: topics,
		Writers: 3, Pause: 60 * time.Millisecond, Padding: 1000, Bulk: true, Truncate: true, Open: 100 * time.Millisecond,
	})
	w.clients, w.options = nil, map[*client.Client]client.Options{}
	_, stuck, err := w.round(ctx)
	if err != nil {
		return 0, v, err
	}
	res := result{scenario: w.scenario, seed: s.seed, violations: stuck}
	if err := w.judge(ctx, &res); err != nil {
		return 0, v, err
	}
	v = res.verdict
	v.Violations = res.violations
	for _, guest := range s.guests {
		if why := guest.left(); why != nil {
			v.Violations = append(v.Violations, oracle.Violation{Client: guest.name, Rule: "end", Text: why.Error()})
		}
	}
	return w.load.Counts().Transactions, v, s.sql(ctx, "TRUNCATE oracle.tx, oracle.change")
}

// trouble is what happens in a round. The first instance is spared what would
// make another process of it.
func (s *soak) trouble(ctx context.Context, w *world) (figure string, err error) {
	half := min(s.length/60, 50*time.Second) / 2
	if err := w.pass(ctx, max(half, 4*time.Second)); err != nil {
		return "", err
	}
	switch s.rounds % 5 {
	case 2:
		err = s.sql(ctx, fmt.Sprintf("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '%s'", daemonRole))
	case 4:
		other := w.instances[1]
		if err = other.term(ctx); err == nil {
			err = other.start(ctx)
		}
	}
	if err != nil {
		return "", err
	}
	return "", w.pass(ctx, max(half, 4*time.Second))
}

func (s *soak) sql(ctx context.Context, text string) error {
	conn, err := pgx.Connect(ctx, s.world.writers())
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, text)
	return errors.Join(err, conn.Close(ctx))
}

func (s *soak) moveOut() error {
	for _, guest := range s.guests {
		guest.leave()
	}
	return nil
}

// judge says what grew, and all that was wrong.
func (s *soak) judge(ctx context.Context) error {
	fmt.Fprintf(s.out, "\n%-12s  %6s  %10s  %10s  %10s  %10s  %s\n", "figure", "points", "before", "after", "growth", "allowed", "verdict")
	told := 0
	for _, g := range gauges {
		t := trendOf(g.bound, s.series[g.title()])
		fmt.Fprintf(s.out, "%-12s  %6d  %10s  %10s  %10s  %10s  %s\n", t.title(), t.judged, amount(t.before), amount(t.after), amount(t.growth), amount(t.allowed), t.verdict())
		if t.told() {
			told++
			if !t.flat() {
				s.grown = append(s.grown, g.title())
			}
		}
	}
	s.faults = append(s.faults, s.world.daemonFaults(context.WithoutCancel(ctx))...)
	fmt.Fprintf(s.out, "\n%d rounds in %v: %d events owed, %d violations\n", s.rounds, time.Since(s.began).Round(time.Second), s.owed, len(s.faults))
	for _, v := range s.faults[:min(len(s.faults), mostViolations)] {
		fmt.Fprintf(s.out, "  %s: %s: %s\n", v.Client, v.Rule, v.Text)
	}
	switch {
	case len(s.faults) > 0:
		return fmt.Errorf("%d violations", len(s.faults))
	case len(s.grown) > 0:
		return fmt.Errorf("what must not grow does: %s", strings.Join(s.grown, ", "))
	case told == 0:
		return errors.New("too short to tell anything")
	}
	return nil
}

// line is what is printed of a round: the figures after it.
func (s *soak) line(commits int, v oracle.Verdict) {
	if s.rounds%20 == 1 {
		fmt.Fprintf(s.out, "\n%8s  %7s  %7s", "after", "commits", "owed")
		for _, g := range gauges {
			fmt.Fprintf(s.out, "  %s", g.title())
		}
		fmt.Fprintln(s.out)
	}
	fmt.Fprintf(s.out, "%8v  %7d  %7d", time.Since(s.began).Round(time.Second), commits, v.Owed)
	for _, g := range gauges {
		points := s.series[g.title()]
		fmt.Fprintf(s.out, "  %*s", len(g.title()), amount(points[len(points)-1].value))
	}
	if n := len(v.Violations); n > 0 {
		fmt.Fprintf(s.out, "  %d violations", n)
	}
	fmt.Fprintln(s.out)
}
