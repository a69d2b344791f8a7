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
		Addr           string   `key:"addr" help:"where /ws and /sse listen: host:port, or unix:/path of a socket"`
		AllowedOrigins []string `key:"allowed_origins" help:"origins of pages that may connect, as patterns (default: the same origin)"`
		TrustedProxies []string `key:"trusted_proxies" help:"addresses or networks of proxies whose X-Forwarded-For or Forwarded is believed"`
		Compression    bool     `key:"compression" help:"deflate events for WebSocket clients that offer it; not where secrets stand beside what others write"`
		TLS            struct {
			Cert string `key:"cert" help:"certificate file; serves https and wss, and is read again when it changes"`
			Key  string `key:"key" help:"key file of the certificate"`
		} `key:"tls"`
	} `key:"http"`
	Admin struct {
		Addr string `key:"addr" help:"where /healthz, /readyz, /metrics and /debug/pprof listen; empty: nowhere"`
	} `key:"admin"`
	Auth    Auth `key:"auth"`
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

// Auth says who may come in and what they may join.
type Auth struct {
	Mode string `key:"mode" help:"who may connect: none, jwt or sql (default none where only this machine can connect; must be chosen elsewhere)"`
	JWT  struct {
		Secret    string        `key:"secret" help:"the secret that tokens are signed with (HS256, HS384, HS512); better as a variable than as a flag"`
		PublicKey string        `key:"public_key" help:"the key to check tokens with, PEM or a file of it (RS, PS, ES, EdDSA, by the kind of the key)"`
		JWKSURL   string        `key:"jwks_url" help:"where the issuer publishes its keys; https, or http on loopback"`
		Issuer    string        `key:"issuer" help:"the iss that a token must have (default: any)"`
		Audience  string        `key:"audience" help:"the aud that a token must have (default: any)"`
		Leeway    time.Duration `key:"leeway" help:"how far the issuer's clock may be off"`
	} `key:"jwt"`
	TopicsClaim  string        `key:"topics_claim" help:"the claim with topics or patterns of topics that may be joined"`
	SubjectClaim string        `key:"subject_claim" help:"the claim that says who it is"`
	Authorize    string        `key:"authorize" help:"SQL function (topic text, claims jsonb) returns boolean: who may join, such as app.can_join"`
	Authenticate string        `key:"authenticate" help:"SQL function (token text) returns jsonb, the claims or NULL; for mode sql"`
	Role         string        `key:"role" help:"the database role that the functions are called as (default: that of database.url)"`
	Connections  int           `key:"connections" help:"database connections for the functions"`
	Timeout      time.Duration `key:"timeout" help:"the longest time for one call of a function"`
	Cache        time.Duration `key:"cache" help:"how long a permission holds without another question; revocations are heeded at once"`
	Anonymous    bool          `key:"anonymous" help:"who brings no token comes in, and auth.authorize decides without claims"`
	Cookie       string        `key:"cookie" help:"the cookie that holds the token"`
	QueryToken   bool          `key:"query_token" help:"take a token from ?token= too, which lands in logs of proxies"`
}

// Limits bound what one client, or all of them, can take.
type Limits struct {
	Connections           int           `key:"connections" help:"connections at a time; 0: no limit"`
	ConnectionsPerAddress int           `key:"connections_per_address" help:"connections at a time of one address, of one /64 with IPv6; 0: no limit"`
	TopicsPerConnection   int           `key:"topics_per_connection" help:"topics that one connection may join"`
	HeaderBytes           Size          `key:"header_bytes" help:"the largest request header taken from a client"`
	FrameBytes            Size          `key:"frame_bytes" help:"the largest frame taken from a client"`
	EventBytes            Size          `key:"event_bytes" help:"the largest event sent, encoded; a larger one is truncated"`
	QueueBytes            Size          `key:"queue_bytes" help:"what may wait for one connection; at least twice event_bytes"`
	ReplayBytes           Size          `key:"replay_bytes" help:"the most that one join replays; what is older must be fetched"`
	JoinsPerSecond        int           `key:"joins_per_second" help:"joins of one connection; 0: no limit"`
	FramesPerSecond       int           `key:"frames_per_second" help:"frames of one connection; 0: no limit"`
	HandshakesPerSecond   int           `key:"handshakes_per_second" help:"new connections of the whole daemon; 0: no limit"`
	HandshakeTimeout      time.Duration `key:"handshake_timeout" help:"the time for a request's header, and then for the first token"`
	WriteTimeout          time.Duration `key:"write_timeout" help:"a socket that takes no byte for so long is closed"`
	Lookback              time.Duration `key:"lookback" help:"how far back a join may reach by time"`
	TransactionEvents     int           `key:"transaction_events" help:"a larger transaction is announced instead of being streamed"`
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
	DefaultLeeway            = 30 * time.Second
	DefaultHeaderBytes       = 64 << 10
	DefaultHandshakeTimeout  = 10 * time.Second
)

// Default returns the settings that hold where nothing else is said.
func Default() Config {
	var c Config
	c.HTTP.Addr = DefaultHTTPAddr
	c.Admin.Addr = DefaultAdminAddr
	c.Auth.JWT.Leeway = DefaultLeeway
	c.Auth.TopicsClaim = auth.DefaultTopicsClaim
	c.Auth.SubjectClaim = auth.DefaultSubjectClaim
	c.Auth.Connections = pglisten.DefaultFunctionConnections
	c.Auth.Timeout = pglisten.DefaultFunctionTimeout
	c.Auth.Cache = auth.DefaultCache
	c.History.Bytes = rooms.DefaultHistoryBytes
	c.History.Age = rooms.DefaultHistoryAge
	c.Limits = Limits{
		TopicsPerConnection: auth.DefaultTopics,
		HeaderBytes:         DefaultHeaderBytes,
		FrameBytes:          auth.DefaultFrameBytes,
		EventBytes:          DefaultEventBytes,
		QueueBytes:          rooms.DefaultQueueBytes,
		ReplayBytes:         rooms.DefaultReplayBytes,
		HandshakeTimeout:    DefaultHandshakeTimeout,
		JoinsPerSecond:      auth.DefaultJoinsPerSecond,
		FramesPerSecond:     ws.DefaultFramesPerSecond,
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
