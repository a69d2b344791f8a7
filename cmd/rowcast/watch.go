package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"rowcast/migrations"
)

func newWatch() *cobra.Command {
	var o migrations.WatchOptions
	cmd := &cobra.Command{
		Use:   "watch TABLE",
		Short: "Capture a table's changes",
		Long: `watch adds triggers to a table, so that what is written to it becomes events. It
is rowcast.watch(), which migrations can call as well. Watching a table again
replaces its watch.`,
		Example: `  rowcast watch messages --topic-column topic_id
  rowcast watch messages --topics 'topic_{topic_id}' --topics messages
  rowcast watch proposals --topic-column topic_id \
    --derive '[{"type":"proposal_approved","on":"update","column":"status","becomes":"approved"}]'
  rowcast watch accounts --columns id,name --dry-run`,
		Args: cobra.ExactArgs(1),
	}
	f := cmd.Flags()
	f.StringVar(&o.TopicColumn, "topic-column", "", "the `column` whose value is an event's topic_id; topics are then topic_{column}")
	f.StringSliceVar(&o.Topics, "topics", nil, "topic `templates`; {column} is the row's value (default: the table's name)")
	f.StringVar(&o.Entity, "entity", "", "the `word` in message_created (default: the table's name in the singular)")
	f.StringSliceVar(&o.Ops, "ops", nil, "insert, update, delete, truncate (default: the first three; truncate comes with delete)")
	f.StringSliceVar(&o.Exclude, "exclude", nil, "all columns but these")
	f.StringSliceVar(&o.Columns, "columns", nil, "these columns only; --columns= for none but key and topic")
	f.StringVar(&o.Level, "level", "", "row, or statement for tables that are loaded in bulk (default: row)")
	f.BoolVar(&o.IncludeOld, "include-old", false, "send the old values of changed columns, and of deleted rows")
	f.IntVar(&o.MaxBytes, "max-bytes", 0, "a larger row is sent as its key and topic columns (default: 32768)")
	f.StringVar(&o.Derive, "derive", "", "further events from changes, as `JSON`")
	f.BoolVar(&o.Unchanged, "unchanged", false, "also updates that change nothing")
	f.BoolVar(&o.Always, "always", false, "also what replication applies")
	dryRun := f.Bool("dry-run", false, "only print the SQL, the locks it takes, and how to undo it")
	f.SetNormalizeFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		if name == "topic" { // one at a time reads better
			name = "topics"
		}
		return pflag.NormalizedName(name)
	})
	database := databaseURL(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		o.Table = args[0]
		if f.Changed("columns") && o.Columns == nil {
			o.Columns = []string{}
		}
		if *dryRun {
			plan := migrations.WatchSQL(o)
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s\n\n-- locks: %s\n-- undo:  %s\n", plan.Statement, plan.Locks, plan.Undo)
			return err
		}
		return connected(cmd.Context(), database, func(conn *pgx.Conn) error {
			said, err := migrations.Watch(cmd.Context(), conn, o)
			if err == nil {
				_, err = fmt.Fprintln(cmd.OutOrStdout(), strings.TrimSpace(said))
			}
			return err
		})
	}
	return cmd
}

func newUnwatch() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "unwatch TABLE",
		Short: "Stop capturing a table",
		Args:  cobra.ExactArgs(1),
	}
	database := databaseURL(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return connected(cmd.Context(), database, func(conn *pgx.Conn) error {
			err := migrations.Unwatch(cmd.Context(), conn, args[0])
			if err == nil {
				_, err = fmt.Fprintln(cmd.OutOrStdout(), "no longer watching", args[0])
			}
			return err
		})
	}
	return cmd
}

// connected runs f on a connection to a database that has our schema.
func connected(ctx context.Context, database func() (string, error), f func(*pgx.Conn) error) error {
	url, err := database()
	if err != nil {
		return err
	}
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }() // nothing is lost with it
	if err := migrations.Check(ctx, conn); err != nil {
		return err
	}
	return f(conn)
}
