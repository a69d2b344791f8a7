package main

import (
	"os"
	"strings"

	"github.com/spf13/cobra"

	"rowcast/bench"
	"rowcast/bench/load"
)

func newBench() *cobra.Command {
	var o bench.Options
	cmd := &cobra.Command{
		Use:   "bench [" + strings.Join(bench.Parts(), "|") + "]",
		Short: "Measure this machine: latency, what a write costs, and fan-out, as ratios",
		Long: `Measures, in interleaved rounds:

  latency   COMMIT to client, against the shortest road there can be
  tax       throughput of writers, against a table without triggers
  fanout    the server's CPU for each delivery of an event to a room, against a
            loop of write(2) and what one writes with the WebSocket library;
            and how long it takes in small rooms
  rooms     the same, for many small rooms
  memory    what an idle connection keeps resident
  storm     many clients at once: until they are live, and what others notice

Starts a throw-away Postgres, and processes with servers and clients.
Prints Markdown tables; takes about ten minutes.`,
		Args:      cobra.MatchAll(cobra.MaximumNArgs(1), cobra.OnlyValidArgs),
		ValidArgs: bench.Parts(),
	}
	cmd.Flags().IntVar(&o.Rounds, "rounds", bench.DefaultRounds, "interleaved rounds; the median counts")
	cmd.Flags().IntVar(&o.Samples, "samples", bench.DefaultSamples, "rows or events a round for latency")
	cmd.Flags().DurationVar(&o.Time, "time", bench.DefaultTime, "length of each run of writers")
	cmd.Flags().StringVar(&o.BinDir, "pg-bin", "", "the `folder` of initdb, postgres and pgbench")
	cmd.Flags().IntSliceVar(&o.Rooms, "rooms", nil, "sizes of the rooms for fanout (default 1,10,100,1000,10000)")
	cmd.Flags().IntSliceVar(&o.Events, "events", nil, "events at a time for fanout (default 1,4,16,64)")
	cmd.Flags().IntVar(&o.Clients, "clients", bench.DefaultClients, "clients for rooms, memory and storm")
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

// newBenchServer is a process that the bench starts to look at a server from outside.
func newBenchServer() *cobra.Command {
	return &cobra.Command{
		Use:    bench.ServerCommand,
		Hidden: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			return bench.Serve(cmd.Context(), args, os.Stdin, cmd.OutOrStdout())
		},
	}
}
