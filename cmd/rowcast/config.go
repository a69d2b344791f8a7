package main

import (
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"
)

func newConfig() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Print the configuration in force, without its secrets",
		Args:  cobra.NoArgs,
	}
	check := cmd.Flags().Bool("check", false, "only say whether serve would take it")
	load := settings(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, err := load()
		if err != nil {
			return err
		}
		if *check {
			return errors.Join(c.Validate(), readable(c.Database.URL))
		}
		_, err = fmt.Fprint(cmd.OutOrStdout(), c)
		return err
	}
	return cmd
}

// readable says what is wrong with the text of the database's address; config
// knows nothing of Postgres.
func readable(url string) error {
	if _, err := pgx.ParseConfig(url); err != nil {
		return fmt.Errorf("database.url: %w", err)
	}
	return nil
}
