package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"rowcast/bridge"
	"rowcast/config"
	"rowcast/examples/chat"
	"rowcast/internal/pgtemp"
	"rowcast/migrations"
	"rowcast/pglisten"
	"rowcast/rooms/auth"
)

func newDev() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "dev",
		Short: "Try it: a throw-away Postgres, a demo, the daemon",
		Long: `dev starts a Postgres of its own, the demo's API and page, and the daemon. Who
brings no token reads what is public. Tokens are signed with a secret of this
run, or with ROWCAST_AUTH_JWT_SECRET: then "rowcast token" makes some, too.`,
		Args: cobra.NoArgs,
	}
	var d demo
	cmd.Flags().StringVar(&d.addr, "addr", bridge.DefaultHTTPAddr, "where the page is, `host:port`")
	cmd.Flags().StringVar(&d.keep, "keep", "", "keep the cluster in this `folder`; one that is there is taken up again")
	cmd.Flags().StringVar(&d.bin, "pg-bin", "", "the `folder` of initdb and postgres")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c := config.Default()
		c.Log.Level = "warn" // two lines matter, and stay in sight
		return d.run(cmd.Context(), cmd.OutOrStdout(), newLogger(c))
	}
	return cmd
}

// demo is everything at once, on a database of its own.
type demo struct {
	addr string
	keep string // "" removes the cluster at the end
	bin  string
}

func (d demo) run(ctx context.Context, out io.Writer, log *slog.Logger) (err error) {
	if err := free(ctx, d.addr); err != nil {
		return err
	}
	cluster, err := pgtemp.Start(ctx, pgtemp.Options{BinDir: d.bin, Dir: d.keep, Keep: d.keep != "", Fast: d.keep == "", Logger: log})
	if err != nil {
		return interrupted(ctx, err)
	}
	defer func() { err = errors.Join(err, cluster.Close()) }()

	url := cluster.URL("postgres")
	if err := populate(ctx, url); err != nil {
		return interrupted(ctx, err)
	}
	db, err := chat.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer db.Close()
	line := fmt.Sprintf("%s -c %q", psql(cluster), chat.Insert)
	secret := cmp.Or(os.Getenv("ROWCAST_AUTH_JWT_SECRET"), rand.Text()+rand.Text())
	api := chat.New(chat.Options{DB: db, Secret: secret, Psql: line, Logger: log})
	pages := http.NewServeMux()
	pages.Handle("/", chat.Page())
	pages.Handle("/api/", api.Handler())
	daemon, err := bridge.New(bridge.Options{
		HTTPAddr:  d.addr,
		Page:      pages,
		Source:    pglisten.Options{URL: url},
		Gate:      auth.Options{Mode: auth.JWT, JWT: auth.JWTOptions{Secret: secret}, Anonymous: true},
		Functions: pglisten.FunctionsOptions{Authorize: "public.can_join"},
		Ready:     func(public, _ net.Addr) { d.announce(out, public, line) },
		Logger:    log,
	})
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return api.Run(ctx) })
	g.Go(func() error { return daemon.Run(ctx) })
	return g.Wait()
}

// announce says where to look and what to type.
func (d demo) announce(out io.Writer, public net.Addr, line string) {
	end := "Ctrl-C removes everything."
	if d.keep != "" {
		end = "Ctrl-C stops it; the cluster stays in " + d.keep + "."
	}
	fmt.Fprintf(out, "Open\n\n  http://%s/\n\nand paste into another terminal\n\n  %s\n\n%s\n", public, line, end)
}

// free says in time that the port is taken; a cluster takes seconds to start.
func free(ctx context.Context, addr string) error {
	var c net.ListenConfig
	l, err := c.Listen(ctx, "tcp", addr)
	if err != nil {
		return fmt.Errorf("--addr: %w", err)
	}
	return l.Close()
}

// populate gives the database the schema rowcast and the demo's own, unless it
// was kept from an earlier time.
func populate(ctx context.Context, url string) error {
	if err := migrations.Up(ctx, url, migrations.Options{}); err != nil {
		return err
	}
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	var there bool
	err = conn.QueryRow(ctx, "SELECT to_regclass('public.messages') IS NOT NULL").Scan(&there)
	if err == nil && !there {
		_, err = conn.Exec(ctx, chat.Schema)
	}
	if err != nil {
		return fmt.Errorf("make the demo's schema: %w", err)
	}
	return nil
}

// psql is the command line of a shell on the cluster. Homebrew keeps psql out
// of PATH.
func psql(c *pgtemp.Cluster) string {
	program := "psql"
	if _, err := exec.LookPath(program); err != nil {
		program = filepath.Join(c.Bin(), program)
	}
	return fmt.Sprintf("%s postgres://postgres@127.0.0.1:%d/postgres", program, c.Port())
}

// interrupted makes no failure of a Ctrl-C that comes early; the daemon knows
// its own.
func interrupted(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}
