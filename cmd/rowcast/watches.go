package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"

	"rowcast/migrations"
)

func newWatches() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "watches",
		Short: "List the captured tables",
		Long: `watches lists the captured tables. One with a SUBJECT makes no events: by it
rowcast.watch_access() learns who may be in the topics.`,
		Args: cobra.NoArgs,
	}
	database := databaseURL(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return connected(cmd.Context(), database, func(conn *pgx.Conn) error {
			list, err := migrations.Watches(cmd.Context(), conn)
			if err != nil {
				return err
			}
			rows := [][]string{{"TABLE", "EVENTS", "SUBJECT", "OPERATIONS", "TOPICS", "STATE"}}
			for _, w := range list {
				events, subject := w.Entity+"_*", "-"
				if w.SubjectColumn != nil {
					events, subject = "-", *w.SubjectColumn
				}
				rows = append(rows, []string{w.Source, events, subject, strings.Join(w.Ops, ","), strings.Join(w.Topics, ","), w.State})
			}
			return writeTable(cmd.OutOrStdout(), rows)
		})
	}
	return cmd
}

// writeTable writes rows in columns.
func writeTable(out io.Writer, rows [][]string) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		if _, err := fmt.Fprintln(w, strings.Join(row, "\t")); err != nil {
			return err
		}
	}
	return w.Flush()
}
