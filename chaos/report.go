package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"rowcast/chaos/oracle"
)

// report prints a line for each scenario as it ends, and what was wrong; on a
// terminal also what is being played.
type report struct {
	out     io.Writer
	names   int // widths
	faults  int
	verbose bool // a line for each run, too
	live    bool // out is a terminal
	playing []string
	total   struct{ runs, failed, owed, delivered, resyncs int }
}

// mostViolations is how many of a run are printed.
const mostViolations = 10

func newReport(out io.Writer, list []scenario) *report {
	p := &report{out: out, names: len("scenario"), faults: len("fault")}
	for _, sc := range list {
		p.names, p.faults = max(p.names, len(sc.name)), max(p.faults, len(sc.fault))
	}
	if file, ok := out.(*os.File); ok {
		info, err := file.Stat()
		p.live = err == nil && info.Mode()&os.ModeCharDevice != 0
	}
	return p
}

// begun takes note of a run, ended of its end.
func (p *report) begun(sc scenario, seed uint64) {
	p.playing = append(p.playing, fmt.Sprintf("%s %d", sc.name, seed))
	p.show()
}

func (p *report) ended(r result) {
	name := fmt.Sprintf("%s %d", r.scenario.name, r.seed)
	p.playing = slices.DeleteFunc(p.playing, func(s string) bool { return s == name })
	if p.verbose {
		p.clear()
		p.run(r)
	}
	p.show()
}

// show writes what is being played in the last line of a terminal, which clear
// empties again.
func (p *report) show() {
	if p.live && len(p.playing) > 0 {
		fmt.Fprintf(p.out, "\r\x1b[K… %s", strings.Join(p.playing, ", "))
	}
}

func (p *report) clear() {
	if p.live {
		fmt.Fprint(p.out, "\r\x1b[K")
	}
}

func (p *report) row(name, fault string, cells ...any) {
	fmt.Fprintf(p.out, "%-*s  %-*s  ", p.names, name, p.faults, fault)
	fmt.Fprintf(p.out, "%4v  %7v  %8v  %9v  %10v  %16v  %-9v  %-24v  %v\n", cells...)
}

func (p *report) header() {
	p.row("scenario", "fault", "runs", "commits", "owed", "delivered", "reconnects", "p50 / p99 ms", "verdict", "$resync / allowed", "figure")
}

// run prints a line for a run.
func (p *report) run(r result) {
	verdict := "ok"
	if r.failed() {
		verdict = "FAILED"
	}
	fmt.Fprintf(p.out, "  %s, seed %d: %s after %.1f s; %d commits, %d rolled back, %d failed\n",
		r.scenario.name, r.seed, verdict, r.took.Seconds(), r.counts.Transactions, r.counts.Rollbacks, r.counts.Failures)
}

// scenario prints one line for the runs of a scenario, then their violations. The
// figure is that of the last run.
func (p *report) scenario(results []result) {
	var commits, owed, delivered, reconnects, failed, resyncs int
	var latencies []time.Duration
	var figure string
	most := map[string]int{}
	for _, r := range results {
		commits += r.verdict.Transactions
		owed += r.verdict.Owed
		delivered += r.verdict.Delivered
		reconnects += max(r.verdict.Connections-r.clients, 0)
		latencies = append(latencies, r.latencies...)
		figure = cmp.Or(r.figure, figure)
		for reason, n := range r.verdict.Resyncs {
			most[reason] = max(most[reason], r.verdict.Most[reason])
			resyncs += n
		}
		if r.failed() {
			failed++
		}
	}
	verdict := "ok"
	if failed > 0 {
		verdict = fmt.Sprintf("FAILED %d", failed)
	}
	slices.Sort(latencies)
	p.clear()
	defer p.show()
	sc := results[0].scenario
	p.row(sc.name, sc.fault, len(results), commits, owed, delivered, reconnects,
		milliseconds(quantile(latencies, 0.5))+" / "+milliseconds(quantile(latencies, 0.99)), verdict, resyncsOf(most, sc.budget), figure)
	for _, r := range results {
		p.failure(r)
	}
	p.total.runs += len(results)
	p.total.failed += failed
	p.total.owed += owed
	p.total.delivered += delivered
	p.total.resyncs += resyncs
}

// failure says what was wrong with a run, and how to see it again.
func (p *report) failure(r result) {
	if !r.failed() {
		return
	}
	fmt.Fprintf(p.out, "\n  %s, seed %d, after %v\n", r.scenario.name, r.seed, r.took.Round(100*time.Millisecond))
	if r.err != nil {
		fmt.Fprintf(p.out, "    %v\n", r.err)
	}
	for _, v := range r.violations[:min(len(r.violations), mostViolations)] {
		fmt.Fprintf(p.out, "    %s: %s: %s\n", v.Client, v.Rule, v.Text)
	}
	if more := len(r.violations) - mostViolations; more > 0 {
		fmt.Fprintf(p.out, "    … and %d more\n", more)
	}
	fmt.Fprintf(p.out, "    again: go run ./chaos -run '^%s$' -seed %d -seeds 1\n    logs:  %s\n\n", r.scenario.name, r.seed, r.logs)
}

// end prints the sum of all.
func (p *report) end(took time.Duration) {
	fmt.Fprintf(p.out, "\n%d runs in %v: %d events owed, %d delivered, %d $resync; ",
		p.total.runs, took.Round(time.Second), p.total.owed, p.total.delivered, p.total.resyncs)
	if p.total.failed > 0 {
		fmt.Fprintf(p.out, "%d runs failed\n", p.total.failed)
	} else {
		fmt.Fprintf(p.out, "no violation\n")
	}
}

// resyncsOf is the most that one client got, and what it may get: "slow_consumer
// 1 / 2", "0 / 0". Those that the truth owes have no limit here.
func resyncsOf(most map[string]int, budget oracle.Budget) string {
	reasons := map[string]bool{}
	for reason := range most {
		reasons[reason] = true
	}
	for reason := range budget {
		reasons[reason] = true
	}
	var cells []string
	for _, reason := range slices.Sorted(maps.Keys(reasons)) {
		allowed := fmt.Sprint(budget[reason])
		if reason == "bulk" || reason == "truncate" {
			allowed = "owed"
		}
		cells = append(cells, fmt.Sprintf("%s %d / %s", reason, most[reason], allowed))
	}
	if cells == nil {
		return "0 / 0"
	}
	return strings.Join(cells, ", ")
}

// quantile is of sorted durations.
func quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[int(q*float64(len(sorted)-1))]
}

func milliseconds(d time.Duration) string {
	return fmt.Sprintf("%.1f", float64(d)/float64(time.Millisecond))
}
