package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"syscall"
	"time"
)

// The exit codes.
const (
	exitDone   = 0
	exitFailed = 1 // a violation, or a suite that could not do its work
	exitUsage  = 2
)

// options are the command line.
type options struct {
	seeds    int
	seed     uint64
	run      string
	short    bool
	parallel int
	bin      string
	race     bool
	broken   string
	verbose  bool
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := execute(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

func execute(ctx context.Context, args []string, out, errs io.Writer) int {
	if len(args) > 0 && args[0] == "soak" {
		return runSoak(ctx, args[1:], out, errs)
	}
	o, err := parse(args, errs)
	if errors.Is(err, flag.ErrHelp) {
		return exitDone
	}
	if err != nil {
		return exitUsage
	}
	play := suite
	if o.broken != "" {
		play = prove
	}
	err = play(ctx, o, out)
	if ctx.Err() != nil {
		err = errors.New("interrupted: all is taken down")
	}
	if err != nil {
		fmt.Fprintf(errs, "chaos: %v\n", err)
		return exitFailed
	}
	return exitDone
}

// parse reads the command line; it has said what is wrong with it.
func parse(args []string, errs io.Writer) (o options, err error) {
	f := flag.NewFlagSet("chaos", flag.ContinueOnError)
	f.SetOutput(errs)
	f.IntVar(&o.seeds, "seeds", 3, "runs of each scenario, each with another seed")
	f.Uint64Var(&o.seed, "seed", 0, "the first seed; 0: any")
	f.StringVar(&o.run, "run", "", "the scenarios whose name matches")
	f.BoolVar(&o.short, "short", false, "one run of each scenario that is marked as short")
	f.IntVar(&o.parallel, "parallel", 2, "runs side by side")
	f.StringVar(&o.bin, "bin", "", "the binary to break; default: built from ./cmd/rowcast")
	f.BoolVar(&o.race, "race", false, "build it with the race detector")
	f.StringVar(&o.broken, "broken", "", "prove that broken builds are caught: those whose name matches, or all")
	f.BoolVar(&o.verbose, "v", false, "a line for each run")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if _, err := regexp.Compile(o.run); err != nil || f.NArg() > 0 || o.seeds < 1 || o.parallel < 1 {
		f.Usage()
		return o, errors.New("usage")
	}
	if o.seed == 0 {
		o.seed = 1 + rand.Uint64N(1_000_000)
	}
	if o.short && o.broken == "" {
		o.seeds = 1
	}
	return o, nil
}

// list are the scenarios that were asked for.
func (o options) list() []scenario {
	names := regexp.MustCompile(o.run)
	return slices.DeleteFunc(scenarios(), func(sc scenario) bool {
		return !names.MatchString(sc.name) || o.short && !sc.short
	})
}

// numbers are the seeds.
func (o options) numbers() (seeds []uint64) {
	for n := range uint64(o.seeds) {
		seeds = append(seeds, o.seed+n)
	}
	return seeds
}

// suite plays scenarios and reports. The error says that something is wrong.
func suite(ctx context.Context, o options, out io.Writer) (err error) {
	list := o.list()
	if len(list) == 0 {
		return fmt.Errorf("no scenario matches %q", o.run)
	}
	dir, err := os.MkdirTemp("", "rowcast-chaos-")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(dir) }() // unless logs were kept
	began := time.Now()
	if o.bin == "" {
		fmt.Fprintf(out, "building rowcast …\n")
		var flags []string
		if o.race {
			flags = append(flags, "-race")
		}
		if o.bin, err = build(ctx, dir, flags...); err != nil {
			return err
		}
		defer func() { _ = os.Remove(o.bin) }()
	}
	r := newRunner(o.bin, dir, o.parallel)
	defer func() { err = errors.Join(err, r.close()) }()
	fmt.Fprintf(out, "%d scenarios, seeds %d to %d, %d runs side by side; logs of failed runs are kept in %s\n\n",
		len(list), o.seed, o.seed+uint64(o.seeds)-1, o.parallel, filepath.Clean(dir))
	p := newReport(out, list)
	p.header()
	p.verbose, r.audience = o.verbose, p
	r.all(ctx, list, o.numbers(), p.scenario)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	p.end(time.Since(began))
	if p.total.failed > 0 {
		return fmt.Errorf("%d of %d runs failed", p.total.failed, p.total.runs)
	}
	return nil
}
