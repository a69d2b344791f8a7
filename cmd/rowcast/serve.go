package main

import (
	"errors"
	"fmt"
	"log/slog"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/spf13/cobra"

	"rowcast/bridge"
	"rowcast/config"
	"rowcast/pglisten"
	"rowcast/rooms"
	"rowcast/rooms/auth"
	"rowcast/rooms/sse"
	"rowcast/rooms/ws"
)

// insufficientPrivilege is Postgres's code for it (manual, appendix A).
const insufficientPrivilege = "42501"

func newServe() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the daemon",
		Long: `serve runs the daemon: it reads what watched tables write and sends it to whoever
joined. It stops cleanly at the first Ctrl-C or SIGTERM, and at once at the second.

Every setting is a flag, a variable (--http.addr is ROWCAST_HTTP_ADDR) and a key
of the file; flags win over variables, variables over the file.`,
		Args: cobra.NoArgs,
	}
	load := settings(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, err := load()
		if err == nil {
			err = c.Validate()
		}
		if err != nil {
			return err
		}
		return withGrant(bridge.New(daemonOptions(c, newLogger(c))).Run(cmd.Context()))
	}
	return cmd
}

// withGrant adds to a refusal by the database what gives the daemon's role all
// that it needs.
func withGrant(err error) error {
	if refused, ok := errors.AsType[*pgconn.PgError](err); ok && refused.Code == insufficientPrivilege {
		return fmt.Errorf("%w (its owner grants it: SELECT rowcast.grant_daemon('role of database.url'))", err)
	}
	return err
}

// daemonOptions deals the settings out to the parts of the daemon.
func daemonOptions(c config.Config, log *slog.Logger) bridge.Options {
	o := bridge.Options{
		HTTPAddr:  c.HTTP.Addr,
		AdminAddr: c.Admin.Addr,
		TLSCert:   c.HTTP.TLS.Cert,
		TLSKey:    c.HTTP.TLS.Key,
		Source: pglisten.Options{
			URL:          c.Database.URL,
			PollInterval: c.Capture.PollInterval,
			HistoryBytes: int64(c.History.Bytes),
		},
		Hub: rooms.Options{
			HistoryBytes: int64(c.History.Bytes),
			HistoryAge:   c.History.Age,
			Lookback:     c.Limits.Lookback,
			Heartbeat:    c.Heartbeat.Interval,
			JoinWait:     c.Limits.WriteTimeout,
			QueueBytes:   int64(c.Limits.QueueBytes),
		},
		Gate: auth.Options{
			Mode:    auth.Mode(c.Auth.Mode),
			Origins: c.HTTP.AllowedOrigins,
			Limits: auth.Limits{
				Connections:         c.Limits.Connections,
				HandshakesPerSecond: c.Limits.HandshakesPerSecond,
				Topics:              c.Limits.TopicsPerConnection,
				FrameBytes:          int(c.Limits.FrameBytes),
				JoinsPerSecond:      c.Limits.JoinsPerSecond,
			},
		},
		// The packages take 0 for "the default"; here it means none.
		WS:  ws.Options{Heartbeat: c.Heartbeat.Interval, WriteTimeout: c.Limits.WriteTimeout, Spread: max(c.Shutdown.Spread, 1)},
		SSE: sse.Options{WriteTimeout: c.Limits.WriteTimeout, Spread: max(c.Shutdown.Spread, 1)},

		EventBytes:        int(c.Limits.EventBytes),
		TransactionEvents: c.Limits.TransactionEvents,
		DrainDelay:        c.Shutdown.DrainDelay,
		ShutdownTimeout:   c.Shutdown.Timeout,
		Logger:            log,
	}
	if c.Capture.Mode == "poll" {
		o.Source.Mode = pglisten.Poll
	}
	if o.Gate.Limits.JoinsPerSecond == 0 {
		o.Gate.Limits.JoinsPerSecond = -1
	}
	for _, ch := range c.Channels {
		o.Channels = append(o.Channels, bridge.Channel(ch))
	}
	return o
}
