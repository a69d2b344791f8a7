package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"time"

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
		d, err := newDaemon(c)
		if err != nil {
			return err
		}
		return withGrant(d.Run(cmd.Context()))
	}
	return cmd
}

// newDaemon puts the daemon together. It fails on settings that only their part
// can judge: keys, names of functions, the address of the database.
func newDaemon(c config.Config) (*bridge.Daemon, error) {
	d, err := bridge.New(daemonOptions(c, newLogger(c)))
	if err != nil {
		return nil, usageError(err.Error())
	}
	return d, nil
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

		HandshakeTimeout: c.Limits.HandshakeTimeout,
		HeaderBytes:      int(c.Limits.HeaderBytes),

		Source: pglisten.Options{
			URL:          c.Database.URL,
			PollInterval: c.Capture.PollInterval,
			HistoryBytes: int64(c.History.Bytes),
		},
		Hub: rooms.Options{
			HistoryBytes: int64(c.History.Bytes),
			HistoryAge:   c.History.Age,
			Lookback:     c.Limits.Lookback,
			ReplayBytes:  int64(c.Limits.ReplayBytes),
			Heartbeat:    c.Heartbeat.Interval,
			JoinWait:     c.Limits.WriteTimeout,
			QueueBytes:   int64(c.Limits.QueueBytes),
		},
		Gate: gateOptions(c),
		Functions: pglisten.FunctionsOptions{
			Authenticate: c.Auth.Authenticate,
			Authorize:    c.Auth.Authorize,
			Role:         c.Auth.Role,
			Connections:  c.Auth.Connections,
			Timeout:      c.Auth.Timeout,
		},
		WS: ws.Options{
			Heartbeat:        c.Heartbeat.Interval,
			WriteTimeout:     c.Limits.WriteTimeout,
			HandshakeTimeout: c.Limits.HandshakeTimeout,
			FramesPerSecond:  orNone(c.Limits.FramesPerSecond),
			Compression:      c.HTTP.Compression,
			Spread:           max(c.Shutdown.Spread, 1), // 0: none, not the default
		},
		SSE: sse.Options{
			WriteTimeout:     c.Limits.WriteTimeout,
			HandshakeTimeout: c.Limits.HandshakeTimeout,
			Spread:           max(c.Shutdown.Spread, 1),
		},

		EventBytes:        int(c.Limits.EventBytes),
		TransactionEvents: c.Limits.TransactionEvents,
		DrainDelay:        c.Shutdown.DrainDelay,
		ShutdownTimeout:   c.Shutdown.Timeout,
		Logger:            log,
	}
	if c.Capture.Mode == "poll" {
		o.Source.Mode = pglisten.Poll
	}
	for _, ch := range c.Channels {
		o.Channels = append(o.Channels, bridge.Channel(ch))
	}
	return o
}

// gateOptions are those of who may come in, and what they may take.
func gateOptions(c config.Config) auth.Options {
	return auth.Options{
		Mode:           auth.Mode(c.Auth.Mode),
		Origins:        c.HTTP.AllowedOrigins,
		TrustedProxies: networks(c.HTTP.TrustedProxies),
		Limits: auth.Limits{
			Connections:           c.Limits.Connections,
			ConnectionsPerAddress: c.Limits.ConnectionsPerAddress,
			HandshakesPerSecond:   c.Limits.HandshakesPerSecond,
			Topics:                c.Limits.TopicsPerConnection,
			FrameBytes:            int(c.Limits.FrameBytes),
			JoinsPerSecond:        orNone(c.Limits.JoinsPerSecond),
		},
		JWT:          auth.JWTOptions(c.Auth.JWT),
		TopicsClaim:  c.Auth.TopicsClaim,
		SubjectClaim: c.Auth.SubjectClaim,
		Cookie:       c.Auth.Cookie,
		QueryToken:   c.Auth.QueryToken,
		Anonymous:    c.Auth.Anonymous,
		Cache:        orNone(c.Auth.Cache),
	}
}

// orNone is a setting's 0, which means none, as the packages have it: their 0 is
// the default.
func orNone[T int | time.Duration](n T) T {
	if n == 0 {
		return -1
	}
	return n
}

// networks reads addresses and networks that Validate has read before.
func networks(texts []string) (list []netip.Prefix) {
	for _, text := range texts {
		if p, err := netip.ParsePrefix(text); err == nil {
			list = append(list, p.Masked())
		} else if a, err := netip.ParseAddr(text); err == nil {
			list = append(list, netip.PrefixFrom(a, a.BitLen()))
		}
	}
	return list
}
