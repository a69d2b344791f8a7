package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"rowcast/migrations"
)

func newMigrate() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "migrate",
		Short: "Install, remove or print the schema rowcast",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return fmt.Errorf("unknown command %q for %q", args[0], cmd.CommandPath())
			}
			return errors.New("say what: up, down, status or print")
		},
		RunE: func(*cobra.Command, []string) error { return nil },
	}
	cmd.AddCommand(newMigrateUp(), newMigrateDown(), newMigrateStatus(), newMigratePrint())
	return cmd
}

func newMigrateUp() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Install the schema, or bring it up to date",
		Args:  cobra.NoArgs,
	}
	var o migrations.Options
	cmd.Flags().StringVar(&o.Owner, "owner", "", "the `role` that owns it; made NOLOGIN if it does not exist (default: who migrates)")
	return migrate(cmd, func(ctx context.Context, url string) error {
		if err := migrations.Up(ctx, url, o); err != nil {
			return err
		}
		_, err := fmt.Fprintln(cmd.OutOrStdout(), "the schema rowcast is up to date")
		return err
	})
}

func newMigrateDown() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "down",
		Short: "Remove the schema, the watches and all that belongs to them",
		Args:  cobra.NoArgs,
	}
	return migrate(cmd, func(ctx context.Context, url string) error {
		if err := migrations.Down(ctx, url, migrations.Options{}); err != nil {
			return err
		}
		_, err := fmt.Fprintln(cmd.OutOrStdout(), "the schema rowcast is removed")
		return err
	})
}

func newMigrateStatus() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "status",
		Short: "List the migrations and when they were applied",
		Args:  cobra.NoArgs,
	}
	return migrate(cmd, func(ctx context.Context, url string) error {
		list, err := migrations.Status(ctx, url)
		if err != nil {
			return err
		}
		var rows [][]string
		for _, v := range list {
			applied := "not applied"
			if !v.Applied.IsZero() {
				applied = v.Applied.Format(time.DateTime)
			}
			rows = append(rows, []string{strconv.FormatInt(v.Number, 10), v.Name, applied})
		}
		return writeTable(cmd.OutOrStdout(), rows)
	})
}

func newMigratePrint() *cobra.Command {
	return &cobra.Command{
		Use:       "print [up|down]",
		Short:     "Print the SQL, for psql, Flyway, Rails and the like",
		Args:      cobra.MatchAll(cobra.MaximumNArgs(1), cobra.OnlyValidArgs),
		ValidArgs: []string{"up", "down"},
		RunE: func(cmd *cobra.Command, args []string) error {
			return migrations.Print(cmd.OutOrStdout(), append(args, "up")[0])
		},
	}
}

// migrate makes cmd run f on the database.
func migrate(cmd *cobra.Command, f func(ctx context.Context, url string) error) *cobra.Command {
	database := databaseURL(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		url, err := database()
		if err != nil {
			return err
		}
		return f(cmd.Context(), url)
	}
	return cmd
}
