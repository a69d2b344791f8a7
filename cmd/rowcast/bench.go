package main

import (
	"os"

	"github.com/spf13/cobra"

	"rowcast/bench"
	"rowcast/bench/load"
)

func newBench() *cobra.Command {
	var o bench.Options
	cmd := &cobra.Command{
		Use:   "bench [latency|tax]",
		Short: "Measure this machine: latency, and what a write costs, as ratios",
		Long: `Starts a throw-away Postgres and measures, in interleaved rounds:

  latency   COMMIT to client, against the shortest road there can be
  tax       throughput of writers, against a table without triggers

Prints Markdown tables; takes about six minutes.`,
		Args:      cobra.MatchAll(cobra.MaximumNArgs(1), cobra.OnlyValidArgs),
		ValidArgs: []string{"latency", "tax"},
	}
	cmd.Flags().IntVar(&o.Rounds, "rounds", bench.DefaultRounds, "interleaved rounds; the median counts")
	cmd.Flags().IntVar(&o.Samples, "samples", bench.DefaultSamples, "rows a round for latency")
	cmd.Flags().DurationVar(&o.Time, "time", bench.DefaultTime, "length of each run of writers")
	cmd.Flags().StringVar(&o.BinDir, "pg-bin", "", "the `folder` of initdb, postgres and pgbench")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			o.Only = args[0]
		}
		o.Progress = cmd.ErrOrStderr()
		return interrupted(cmd.Context(), bench.Run(cmd.Context(), cmd.OutOrStdout(), o))
	}
	return cmd
}

// newBenchClient is the process that the bench starts to hold the clients.
func newBenchClient() *cobra.Command {
	return &cobra.Command{
		Use:    load.Command,
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE:   func(cmd *cobra.Command, _ []string) error { return load.Serve(os.Stdin, cmd.OutOrStdout()) },
	}
}
