package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/spf13/cobra"

	"rowcast/config"
)

// The groups of rowcast --help.
const (
	groupRun   = "run"
	groupTable = "table"
	groupLook  = "look"
)

// newRoot builds the command line.
func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "rowcast",
		Short: "Row changes in Postgres become WebSocket events",
		Long: `rowcast turns the row changes of a Postgres database into typed WebSocket events.

  rowcast migrate up                                  install the schema rowcast
  rowcast watch messages --topic-column topic_id      capture a table
  rowcast serve                                       the daemon
  rowcast tail topic_7                                see what it sends

The database is --database.url, ROWCAST_DATABASE_URL or DATABASE_URL.`,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.AddGroup(
		&cobra.Group{ID: groupRun, Title: "Run:"},
		&cobra.Group{ID: groupTable, Title: "Set up the database:"},
		&cobra.Group{ID: groupLook, Title: "Look:"},
	)
	group := func(id string, commands ...*cobra.Command) {
		for _, c := range commands {
			c.GroupID = id
			root.AddCommand(c)
		}
	}
	group(groupRun, newServe(), newDev(), newConfig())
	group(groupTable, newMigrate(), newWatch(), newUnwatch(), newWatches())
	group(groupLook, newTail(), newTypes(), newToken(), newBench(), newBenchClient(), newBenchServer(), newVersion())
	return root
}

// execute runs the command line and returns the exit code. What went wrong is
// told on stderr, one line each.
func execute(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	started := false // what goes wrong before is the command line's fault
	root.PersistentPreRun = func(*cobra.Command, []string) { started = true }

	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitDone
	}
	message := err.Error()
	if !started {
		message, _, _ = strings.Cut(message, "\n") // cobra adds suggestions
		message += fmt.Sprintf(" (see %q)", cmd.CommandPath()+" --help")
	}
	if _, unreachable := errors.AsType[*pgconn.ConnectError](err); unreachable {
		message = connectMessage(message)
	}
	if errors.Is(err, context.Canceled) { // by Ctrl-C: where it was just then says nothing
		message = "interrupted"
	}
	for line := range strings.Lines(message) {
		root.PrintErrln("rowcast:", strings.TrimSpace(line))
	}
	if !started || misconfigured(err) {
		return exitUsage
	}
	return exitFailed
}

// connectMessage makes one line of what pgx says about each address it tried,
// with and without TLS.
func connectMessage(message string) string {
	var parts []string
	for line := range strings.Lines(message) {
		line = strings.TrimSpace(line)
		said := slices.ContainsFunc(parts, func(part string) bool { return strings.HasSuffix(part, line) })
		if !said {
			parts = append(parts, line)
		}
	}
	return strings.Join(parts, " ") + " (see database.url)"
}

// usageError is what is wrong with the command line where cobra cannot tell.
type usageError string

func (e usageError) Error() string { return string(e) }

// misconfigured says whether err is about what was asked for, not about how it
// went.
func misconfigured(err error) bool {
	_, fault := errors.AsType[config.Faults](err)
	_, url := errors.AsType[*pgconn.ParseConfigError](err)
	_, usage := errors.AsType[usageError](err)
	return fault || url || usage
}

// settings gives cmd the flag --config and one for each of the named settings,
// or for all. The returned function reads them with everything below them.
func settings(cmd *cobra.Command, names ...string) func() (config.Config, error) {
	file := cmd.Flags().String("config", "", "read settings from this YAML, TOML or JSON `file`")
	config.Flags(cmd.Flags(), names...)
	return func() (config.Config, error) { return config.Load(*file, cmd.Flags()) }
}

// databaseURL is settings for commands that only talk to the database.
func databaseURL(cmd *cobra.Command) func() (string, error) {
	load := settings(cmd, "database.url")
	return func() (string, error) {
		c, err := load()
		if err == nil {
			err = c.ValidateDatabase()
		}
		return c.Database.URL, err
	}
}
