package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"

	"rowcast/bridge/typegen"
	"rowcast/pglisten"
)

func newTypes() *cobra.Command {
	var lang, file string
	var check bool
	cmd := &cobra.Command{
		Use:   "types",
		Short: "Write the events' types for clients",
		Long: `types writes down what the events of the watched tables look like, as a
TypeScript module or a JSON Schema. It reads the database as it is now; run it
again when a watched table was altered. With --check it only compares, for CI.`,
		Example: `  rowcast types --out src/rowcast.ts
  rowcast types --out src/rowcast.ts --check
  rowcast types --lang jsonschema`,
		Args: cobra.NoArgs,
	}
	f := cmd.Flags()
	f.StringVar(&lang, "lang", "ts", "the `language`: ts or jsonschema")
	f.StringVar(&file, "out", "", "the `file` to write (default: stdout)")
	f.BoolVar(&check, "check", false, "write nothing; exit with 1 if the file is out of date")
	database := databaseURL(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		write, known := map[string]func(*typegen.Model) []byte{
			"ts":         (*typegen.Model).TypeScript,
			"jsonschema": (*typegen.Model).JSONSchema,
		}[lang]
		switch {
		case !known:
			return usageError(fmt.Sprintf("--lang must be ts or jsonschema (got %q)", lang))
		case check && file == "":
			return usageError("--check needs --out, the file to compare")
		}
		return connected(cmd.Context(), database, func(conn *pgx.Conn) error {
			m, err := loadModel(cmd.Context(), conn)
			if err != nil {
				return err
			}
			text := write(m)
			switch {
			case check:
				return checkTypes(file, lang, text)
			case file == "":
				_, err = cmd.OutOrStdout().Write(text)
			default:
				err = os.WriteFile(file, text, 0o644)
			}
			return err
		})
	}
	return cmd
}

// loadModel describes the live watches. Some of them must be of events.
func loadModel(ctx context.Context, conn *pgx.Conn) (*typegen.Model, error) {
	watches, err := pglisten.LoadWatches(ctx, conn)
	if err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(watches, func(w *pglisten.Watch) bool { return w.SubjectColumn == "" }) {
		return nil, errors.New("no table is watched, so there are no events: run rowcast watch TABLE first")
	}
	return typegen.New(watches), nil
}

// checkTypes compares a file with what it should hold; a checkout may have given
// it the line ends of Windows.
func checkTypes(file, lang string, want []byte) error {
	renew := "rowcast types --out " + file
	if lang != "ts" {
		renew += " --lang " + lang
	}
	got, err := os.ReadFile(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s does not exist: make it with %s", file, renew)
	case err != nil:
		return err
	}
	if got = bytes.ReplaceAll(got, []byte("\r\n"), []byte("\n")); !bytes.Equal(got, want) {
		return fmt.Errorf("%s is out of date: renew it with %s", file, renew)
	}
	return nil
}
