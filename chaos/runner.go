package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"rowcast/chaos/client"
	"rowcast/chaos/load"
	"rowcast/chaos/oracle"
)

// runTime is how long a run may take, whatever it waits for.
const runTime = 5 * time.Minute

// runner plays scenarios with one binary.
type runner struct {
	bin      string
	parallel int
	keep     string // folder for the logs of failed runs
	ports    ports
	servers  servers
	telling  sync.Mutex // over the audience's methods, and what all reports to
	audience audience   // may be nil
}

// audience is told of each run.
type audience interface {
	begun(sc scenario, seed uint64)
	ended(result)
}

// result is how one scenario went with one seed.
type result struct {
	scenario   scenario
	seed       uint64
	err        error // of the suite, or of what it stands on; such a run has failed, too
	violations []oracle.Violation
	verdict    oracle.Verdict
	counts     load.Counts
	clients    int
	latencies  []time.Duration // from COMMIT's return to a client, the first time it came there
	figure     string
	took       time.Duration
	logs       string // the folder, of a failed run
}

func (r result) failed() bool { return r.err != nil || len(r.violations) > 0 }

// newRunner returns a runner that plays with this binary; close gives back what
// it takes.
func newRunner(bin, keep string, parallel int) *runner {
	return &runner{bin: bin, keep: keep, parallel: parallel, servers: servers{bin: bin}}
}

func (r *runner) close() error { return r.servers.close() }

// all plays each scenario with each seed, some runs side by side. The results of
// a scenario are handed over when its last run has ended, one scenario at a time.
func (r *runner) all(ctx context.Context, list []scenario, seeds []uint64, report func([]result)) {
	free := make(chan struct{}, r.parallel)
	var wait sync.WaitGroup
	for _, sc := range list {
		results := make([]result, len(seeds))
		var runs sync.WaitGroup
		for n, seed := range seeds {
			places := 1
			if sc.alone {
				places = r.parallel
			}
			for range places {
				free <- struct{}{}
			}
			if ctx.Err() != nil {
				break
			}
			runs.Go(func() {
				r.tell(func(a audience) { a.begun(sc, seed) })
				results[n] = r.one(ctx, sc, seed)
				r.tell(func(a audience) { a.ended(results[n]) })
				for range places {
					<-free
				}
			})
		}
		wait.Go(func() {
			runs.Wait()
			err := r.servers.finish(sc)
			if ctx.Err() != nil {
				return
			}
			if err != nil {
				results[0].err = errors.Join(results[0].err, err)
			}
			r.telling.Lock()
			defer r.telling.Unlock()
			report(results)
		})
		if ctx.Err() != nil {
			break
		}
	}
	wait.Wait()
}

func (r *runner) tell(what func(audience)) {
	if r.audience != nil {
		r.telling.Lock()
		defer r.telling.Unlock()
		what(r.audience)
	}
}

// one is one run, from its database to the verdict. It leaves nothing behind but
// the logs of a run that failed.
func (r *runner) one(ctx context.Context, sc scenario, seed uint64) (res result) {
	ctx, cancel := context.WithTimeout(ctx, runTime)
	defer cancel()
	began := time.Now()
	res = result{scenario: sc, seed: seed, logs: filepath.Join(r.keep, fmt.Sprintf("%s-%d", sc.name, seed))}
	defer func() {
		res.took = time.Since(began)
		if !res.failed() || ctx.Err() != nil {
			_ = os.RemoveAll(res.logs) // what stays is in a temporary folder
		}
	}()
	if res.err = os.MkdirAll(res.logs, 0o755); res.err != nil {
		return res
	}
	s, err := r.servers.take(ctx, sc)
	if err != nil {
		res.err = err
		return res
	}
	w, err := newWorld(ctx, r, sc, seed, s, res.logs)
	defer func() {
		res.err = errors.Join(res.err, w.end(ctx), r.servers.giveBack(ctx, sc, s, w.database))
	}()
	if err != nil {
		res.err = err
		return res
	}
	res.figure, res.violations, res.err = w.play(ctx)
	res.counts, res.clients = w.load.Counts(), len(w.clients)
	res.violations = append(res.violations, w.daemonFaults(ctx)...)
	if res.err == nil {
		res.err = w.judge(ctx, &res)
	}
	return res
}

// daemonFaults ends the instances and says what was wrong with them.
func (w *world) daemonFaults(ctx context.Context) (faults []oracle.Violation) {
	for _, i := range w.instances {
		texts := i.faults()
		if i.running() {
			if err := i.term(ctx); err != nil {
				texts = append(texts, err.Error())
			}
		}
		for _, text := range texts {
			faults = append(faults, oracle.Violation{Client: filepath.Base(i.log), Rule: "daemon", Text: text})
		}
	}
	return faults
}

// judge holds the journals against the truth.
func (w *world) judge(ctx context.Context, res *result) error {
	conn, err := pgx.Connect(ctx, w.writers())
	if err != nil {
		return fmt.Errorf("the truth: %w", err)
	}
	truth, err := load.Truth(ctx, conn, w.scenario.transactionEvents())
	if err = errors.Join(err, conn.Close(ctx)); err != nil {
		return fmt.Errorf("the truth: %w", err)
	}
	var journals []*oracle.Journal
	for _, c := range w.listening() {
		journals = append(journals, c.Journal())
	}
	res.verdict = oracle.Judge(truth, journals, w.scenario.budget)
	res.violations = append(res.violations, res.verdict.Violations...)
	for _, j := range journals {
		res.violations = append(res.violations, w.badEnds(j)...)
		res.latencies = append(res.latencies, w.latencies(j)...)
	}
	slices.Sort(res.latencies)
	return nil
}

// badEnds are connections that ended as they should not in this scenario.
func (w *world) badEnds(j *oracle.Journal) (bad []oracle.Violation) {
	good := append([]string{client.Dropped, client.Ended}, w.scenario.ends...)
	for how, times := range j.Ends() {
		if !slices.Contains(good, how) && !slices.Contains(good, "*") {
			bad = append(bad, oracle.Violation{Client: j.Name(), Rule: "end", Text: fmt.Sprintf("%d × %s", times, how)})
		}
	}
	return bad
}

// latencies are how long each event took from its commit to this client.
func (w *world) latencies(j *oracle.Journal) (list []time.Duration) {
	seen := map[string]bool{}
	for e := range j.Events() {
		if seen[e.Key] {
			continue
		}
		seen[e.Key] = true
		if at, known := w.load.Committed(e.Key); known {
			list = append(list, e.Received.Sub(at))
		}
	}
	return list
}
