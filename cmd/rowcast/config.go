package main

import (
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"

	"rowcast/config"
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
			return acceptable(c)
		}
		_, err = fmt.Fprint(cmd.OutOrStdout(), c)
		return err
	}
	return cmd
}

// acceptable says whether serve would take the configuration, as far as that shows
// without the database.
func acceptable(c config.Config) error {
	if err := errors.Join(c.Validate(), readable(c.Database.URL)); err != nil {
		return err
	}
	_, err := newDaemon(c)
	return err
}

// readable says what is wrong with the text of the database's address; config
// knows nothing of Postgres.
func readable(url string) error {
	if _, err := pgx.ParseConfig(url); err != nil {
		return fmt.Errorf("database.url: %w", err)
	}
	return nil
}
