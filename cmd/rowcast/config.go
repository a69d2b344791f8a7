package main

import (
	"fmt"

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
			return c.Validate()
		}
		_, err = fmt.Fprint(cmd.OutOrStdout(), c)
		return err
	}
	return cmd
}
