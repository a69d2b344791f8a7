package config

import (
	"time"

	"rowcast/pglisten"
	"rowcast/rooms"
	"rowcast/rooms/auth"
	"rowcast/rooms/ws"
)

// Config is every setting of rowcast. Its tags are the settings' names and help.
type Config struct {
	Database struct {
		URL string `key:"url" help:"the database: a direct connection, not a transaction pooler"`
	} `key:"database"`
	HTTP struct {
		Addr           string   `key:"addr" help:"where /ws and /sse listen"`
		AllowedOrigins []string `key:"allowed_origins" help:"origins of pages that may connect, as patterns (default: the same origin)"`
		TLS            struct {
			Cert string `key:"cert" help:"certificate file; serves https and wss"`
			Key  string `key:"key" help:"key file of the certificate"`
		} `key:"tls"`
	} `key:"http"`
	Admin struct {
		Addr string `key:"addr" help:"where /healthz, /readyz, /metrics and /debug/pprof listen; empty: nowhere"`
	} `key:"admin"`
	Auth struct {
		Mode string `key:"mode" help:"who may connect: none (default on a loopback address; must be chosen elsewhere)"`
	} `key:"auth"`
	History struct {
		Bytes Size          `key:"bytes" help:"memory for replay"`
		Age   time.Duration `key:"age" help:"how long an event can be replayed"`
	} `key:"history"`
	Limits    Limits `key:"limits"`
	Heartbeat struct {
		Interval time.Duration `key:"interval" help:"how often a quiet connection hears something"`
	} `key:"heartbeat"`
	Capture struct {
		Mode         string        `key:"mode" help:"how new rows are noticed: doorbell, or poll where LISTEN does not work"`
		PollInterval time.Duration `key:"poll_interval" help:"how often the log is read unasked (default in poll mode: 250ms)"`
	} `key:"capture"`
	Channels []Channel `key:"channels" help:"NOTIFY channels that an application already uses, as JSON"`
	Log      struct {
		Level  string `key:"level" help:"debug, info, warn or error"`
		Format string `key:"format" help:"text or json (default: text on a terminal, else json)"`
	} `key:"log"`
	Shutdown struct {
		Timeout    time.Duration `key:"timeout" help:"everything is closed after this time, come what may"`
		DrainDelay time.Duration `key:"drain_delay" help:"how long to go on serving while not ready, for a load balancer to notice"`
		Spread     time.Duration `key:"spread" help:"the time over which connections are told to come back"`
	} `key:"shutdown"`
}

// Limits bound what one client, or all of them, can take.
type Limits struct {
	Connections         int           `key:"connections" help:"connections at a time; 0: no limit"`
	TopicsPerConnection int           `key:"topics_per_connection" help:"topics that one connection may join"`
	FrameBytes          Size          `key:"frame_bytes" help:"the largest frame taken from a client"`
	EventBytes          Size          `key:"event_bytes" help:"the largest event sent, encoded; a larger one is truncated"`
	QueueBytes          Size          `key:"queue_bytes" help:"what may wait for one connection; at least twice event_bytes"`
	JoinsPerSecond      int           `key:"joins_per_second" help:"joins of one connection; 0: no limit"`
	HandshakesPerSecond int           `key:"handshakes_per_second" help:"new connections of the whole daemon; 0: no limit"`
	WriteTimeout        time.Duration `key:"write_timeout" help:"a socket that takes no byte for so long is closed"`
	Lookback            time.Duration `key:"lookback" help:"how far back a join may reach by time"`
	TransactionEvents   int           `key:"transaction_events" help:"a larger transaction is announced instead of being streamed"`
}

// Channel is a NOTIFY channel whose payloads become events.
type Channel struct {
	Name   string   `json:"name"`
	Type   string   `json:"type"`
	Topics []string `json:"topics"` // templates: {field} is a field of the JSON payload
}

// What no package below has a constant for.
const (
	DefaultHTTPAddr          = "127.0.0.1:8080"
	DefaultAdminAddr         = "127.0.0.1:8081"
	DefaultEventBytes        = 256 << 10
	DefaultTransactionEvents = 10_000
	DefaultShutdownTimeout   = 20 * time.Second
)

// Default returns the settings that hold where nothing else is said.
func Default() Config {
	var c Config
	c.HTTP.Addr = DefaultHTTPAddr
	c.Admin.Addr = DefaultAdminAddr
	c.History.Bytes = rooms.DefaultHistoryBytes
	c.History.Age = rooms.DefaultHistoryAge
	c.Limits = Limits{
		TopicsPerConnection: auth.DefaultTopics,
		FrameBytes:          auth.DefaultFrameBytes,
		EventBytes:          DefaultEventBytes,
		QueueBytes:          rooms.DefaultQueueBytes,
		JoinsPerSecond:      auth.DefaultJoinsPerSecond,
		WriteTimeout:        ws.DefaultWriteTimeout,
		Lookback:            rooms.DefaultLookback,
		TransactionEvents:   DefaultTransactionEvents,
	}
	c.Heartbeat.Interval = rooms.DefaultHeartbeat
	c.Capture.Mode = "doorbell"
	c.Capture.PollInterval = pglisten.DefaultBackstop
	c.Log.Level = "info"
	c.Shutdown.Timeout = DefaultShutdownTimeout
	c.Shutdown.Spread = ws.DefaultSpread
	return c
}
