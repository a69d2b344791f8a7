package main

import (
	"fmt"
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
		Args:  cobra.NoArgs,
	}
	database := databaseURL(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return connected(cmd.Context(), database, func(conn *pgx.Conn) error {
			list, err := migrations.Watches(cmd.Context(), conn)
			if err != nil {
				return err
			}
			w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "TABLE\tEVENTS\tOPERATIONS\tTOPICS\tSTATE")
			for _, row := range list {
				fmt.Fprintf(w, "%s\t%s_*\t%s\t%s\t%s\n",
					row.Source, row.Entity, strings.Join(row.Ops, ","), strings.Join(row.Topics, ","), row.State)
			}
			return w.Flush()
		})
	}
	return cmd
}
