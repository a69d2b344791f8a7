package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// Set by the linker in a release: -X main.version=… -X main.commit=…
var version, commit string

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print version, commit and Go version",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			version, commit := buildVersion()
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "rowcast %s, commit %s, %s %s/%s\n",
				version, commit, runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return err
		},
	}
}

// buildVersion asks the toolchain where the linker was told nothing.
func buildVersion() (string, string) {
	v, c := version, commit
	info, _ := debug.ReadBuildInfo()
	if v == "" && info != nil {
		v = info.Main.Version
	}
	if c == "" && info != nil {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				c = s.Value
			}
		}
	}
	if v == "" || v == "(devel)" {
		v = "dev"
	}
	if c == "" {
		c = "unknown"
	}
	return v, c
}
