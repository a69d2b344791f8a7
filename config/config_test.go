package config

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// clean takes the variables of whoever runs the tests away.
func clean(t *testing.T) {
	t.Helper()
	for _, pair := range os.Environ() {
		name, _, _ := strings.Cut(pair, "=")
		if strings.HasPrefix(name, envPrefix) || name == "DATABASE_URL" {
			t.Setenv(name, "") // so that it is put back
			if err := os.Unsetenv(name); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func parse(t *testing.T, args ...string) *pflag.FlagSet {
	t.Helper()
	set := pflag.NewFlagSet("test", pflag.ContinueOnError)
	Flags(set)
	if err := set.Parse(args); err != nil {
		t.Fatal(err)
	}
	return set
}

// The commented file is the documentation of the defaults.
func TestExampleFileIsTheDefault(t *testing.T) {
	clean(t)
	got, err := Load("rowcast.yaml", nil)
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	got.Channels, want.Channels = nil, nil // [] and nil are the same to everybody but DeepEqual
	got.HTTP.AllowedOrigins, got.HTTP.TrustedProxies = nil, nil
	if !reflect.DeepEqual(got, want) {
		t.Errorf("rowcast.yaml says\n%v\nthe defaults are\n%v", got, want)
	}
	text, err := os.ReadFile("rowcast.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range keys(&want) {
		name := k.name[strings.LastIndex(k.name, ".")+1:]
		if !strings.Contains(string(text), "\n"+strings.Repeat("  ", strings.Count(k.name, "."))+name+": ") {
			t.Errorf("rowcast.yaml does not show %s", k.name)
		}
	}
}

func TestLoad(t *testing.T) {
	tests := []struct {
		name string
		file string // content; its first line's comment is the file's name
		env  map[string]string
		args []string
		want func(c *Config)
	}{
		{name: "nothing is the default", want: func(*Config) {}},
		{
			name: "yaml", file: "# a.yaml\nhttp:\n  addr: :1\nlimits:\n  queue_bytes: 2gb\n  joins_per_second: 7\nhistory: {age: 1h30m}\n",
			want: func(c *Config) {
				c.HTTP.Addr, c.Limits.QueueBytes, c.Limits.JoinsPerSecond, c.History.Age = ":1", 2<<30, 7, 90*time.Minute
			},
		},
		{
			name: "toml", file: "# a.toml\n[http]\naddr = ':1'\nallowed_origins = ['a', 'b']\n[history]\nbytes = 4096\n",
			want: func(c *Config) {
				c.HTTP.Addr, c.HTTP.AllowedOrigins, c.History.Bytes = ":1", []string{"a", "b"}, 4096
			},
		},
		{
			name: "json", file: `{"http": {"tls": {"cert": "c"}}, "capture": {"mode": "poll", "poll_interval": "5s"}}`,
			want: func(c *Config) { c.HTTP.TLS.Cert, c.Capture.Mode = "c", "poll" },
		},
		{
			name: "yes and no", file: "# a.yaml\nauth: {anonymous: true, query_token: true}\n",
			env:  map[string]string{"ROWCAST_AUTH_QUERY_TOKEN": "false"},
			want: func(c *Config) { c.Auth.Anonymous = true },
		},
		{
			name: "yes as a bare flag", args: []string{"--auth.anonymous"},
			env:  map[string]string{"ROWCAST_HTTP_COMPRESSION": "true"},
			want: func(c *Config) { c.Auth.Anonymous, c.HTTP.Compression = true, true },
		},
		{name: "a section with nothing in it", file: "# a.yaml\nhttp:\nlimits:\n", want: func(*Config) {}},
		{
			name: "channels in the file", file: "# a.yaml\nchannels:\n- name: Orders\n  type: order_changed\n  topics: ['order_{id}']\n",
			want: func(c *Config) { c.Channels = []Channel{{"Orders", "order_changed", []string{"order_{id}"}}} },
		},
		{
			name: "channels in the environment",
			env:  map[string]string{"ROWCAST_CHANNELS": `[{"name":"o","type":"t","topics":["x"]}]`},
			want: func(c *Config) { c.Channels = []Channel{{"o", "t", []string{"x"}}} },
		},
		{
			name: "environment over file", file: "# a.yaml\nhttp: {addr: ':1'}\n",
			env:  map[string]string{"ROWCAST_HTTP_ADDR": ":2", "ROWCAST_HTTP_ALLOWED_ORIGINS": "https://a, https://b"},
			want: func(c *Config) { c.HTTP.Addr, c.HTTP.AllowedOrigins = ":2", []string{"https://a", "https://b"} },
		},
		{
			name: "flag over environment", env: map[string]string{"ROWCAST_HTTP_ADDR": ":2"}, args: []string{"--http.addr=:3"},
			want: func(c *Config) { c.HTTP.Addr = ":3" },
		},
		{
			name: "an empty variable counts as set", env: map[string]string{"ROWCAST_ADMIN_ADDR": ""},
			want: func(c *Config) { c.Admin.Addr = "" },
		},
		{
			name: "DATABASE_URL", env: map[string]string{"DATABASE_URL": "postgres://a"},
			want: func(c *Config) { c.Database.URL = "postgres://a" },
		},
		{
			name: "DATABASE_URL over file", file: "# a.yaml\ndatabase: {url: 'postgres://c'}\n",
			env:  map[string]string{"DATABASE_URL": "postgres://a"},
			want: func(c *Config) { c.Database.URL = "postgres://a" },
		},
		{
			name: "ROWCAST_DATABASE_URL is nearer", env: map[string]string{"DATABASE_URL": "postgres://a", "ROWCAST_DATABASE_URL": "postgres://b"},
			want: func(c *Config) { c.Database.URL = "postgres://b" },
		},
		{
			name: "polls come faster where they are all there is", env: map[string]string{"ROWCAST_CAPTURE_MODE": "poll"},
			want: func(c *Config) { c.Capture.Mode, c.Capture.PollInterval = "poll", 250*time.Millisecond },
		},
		{
			name: "as told, also when that is the other default", args: []string{"--capture.mode=poll", "--capture.poll_interval=5s"},
			want: func(c *Config) { c.Capture.Mode = "poll" },
		},
		{
			name: "what Kubernetes injects",
			env:  map[string]string{"ROWCAST_HTTP_SERVICE_HOST": "x", "ROWCAST_HTTP_PORT_80_TCP": "x", "ROWCAST_PORT": "x", "ROWCAST_TEST_PG": "x"},
			want: func(*Config) {},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			clean(t)
			for name, value := range tt.env {
				t.Setenv(name, value)
			}
			file := ""
			if tt.file != "" {
				file = "a.json"
				if first, _, _ := strings.Cut(tt.file, "\n"); first[0] == '#' {
					file = strings.TrimPrefix(first, "# ")
				}
				file = write(t, file, tt.file)
			}
			got, err := Load(file, parse(t, tt.args...))
			if err != nil {
				t.Fatal(err)
			}
			want := Default()
			tt.want(&want)
			if len(got.Channels) == 0 {
				got.Channels = nil
			}
			for _, list := range []*[]string{&got.HTTP.AllowedOrigins, &got.HTTP.TrustedProxies} {
				if len(*list) == 0 {
					*list = nil
				}
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got\n%vwant\n%v", got, want)
			}
		})
	}
}

func TestLoadFaults(t *testing.T) {
	clean(t)
	t.Setenv("ROWCAST_LIMITS_QUEUE_BYTES", "lots")
	t.Setenv("ROWCAST_HTTP_ADRR", ":1")
	t.Setenv("ROWCAST_AUTH_JWT_SECRT", "s3cret")
	file := write(t, "a.yaml", `
colour: red
http: {adr: ':1', addr: ':2'}
history: {age: 600, bytes: 1.5GB}
limits: {connections: many}
database: {url: ['postgres://u:s3cret@h/db']}
auth: {jwt: {secret: [s3cret]}, anonymous: perhaps}
channels:
- {name: a, typ: b}
`)
	_, err := Load(file, parse(t, "--heartbeat.interval=soon"))
	want := Faults{
		`colour: unknown key`,
		`http.adr: unknown key`,
		`ROWCAST_AUTH_JWT_SECRT: unknown variable`,
		`ROWCAST_HTTP_ADRR: unknown variable`,
		`database.url: must be a text (got "xxxxx")`,
		`auth.jwt.secret: must be a text (got "xxxxx")`,
		`auth.anonymous: must be true or false (got "perhaps")`,
		`history.bytes: must be a size such as 64KB or 1GB (got "1.5GB")`,
		`history.age: must be a duration with its unit, such as 10s or 5m (got "600")`,
		`limits.connections: must be a whole number (got "many")`,
		`limits.queue_bytes: must be a size such as 64KB or 1GB (got "lots")`,
		`heartbeat.interval: must be a duration with its unit, such as 10s or 5m (got "soon")`,
		`channels: must be a list of {name, type, topics} (got "[map[name:a typ:b]]")`,
	}
	if got, _ := errors.AsType[Faults](err); !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%v\nwant\n%v", err, want)
	}
	clean(t)
	for _, name := range []string{"absent.yaml", write(t, "a.yaml", "a: [\nb: }"), write(t, "a.ini", "a=1")} {
		_, err := Load(name, nil)
		if got, _ := errors.AsType[Faults](err); len(got) != 1 || !strings.HasPrefix(got[0], "--config: ") || strings.Contains(got[0], "\n") {
			t.Errorf("Load(%s): %v, want one line about --config", name, err)
		}
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		edit func(c *Config)
		want string
	}{
		{"the default with a database", func(*Config) {}, ""},
		{"no database", func(c *Config) { c.Database.URL = "" }, "database.url: is missing"},
		{"no port", func(c *Config) { c.HTTP.Addr = "localhost" }, `http.addr: must be host:port, such as 127.0.0.1:8080, or unix:/path (got "localhost")`},
		{"sockets", func(c *Config) { c.HTTP.Addr, c.Admin.Addr = "unix:/run/rowcast/http", "unix:/run/rowcast/admin" }, ""},
		{"a socket somewhere", func(c *Config) { c.HTTP.Addr = "unix:socket" }, `http.addr: must be unix: and an absolute path of at most 103 bytes (got "unix:socket")`},
		{"a socket too deep", func(c *Config) { c.Admin.Addr = "unix:/" + strings.Repeat("x", 103) }, `admin.addr: must be unix: and an absolute path of at most 103 bytes`},
		{"proxies", func(c *Config) { c.HTTP.TrustedProxies = []string{"10.0.0.0/8", "::1", "2001:db8::/32"} }, ""},
		{"a proxy by its name", func(c *Config) { c.HTTP.TrustedProxies = []string{"proxy"} }, `http.trusted_proxies: must be addresses or networks such as 10.0.0.0/8 (got "proxy")`},
		{"no admin", func(c *Config) { c.Admin.Addr = "" }, ""},
		{"everybody, by accident", func(c *Config) { c.HTTP.Addr = ":8080" }, "http.addr: others can reach it"},
		{"everybody, as told", func(c *Config) { c.HTTP.Addr, c.Auth.Mode = "0.0.0.0:8080", "none" }, ""},
		{"an origin of nobody", func(c *Config) { c.HTTP.AllowedOrigins = []string{" "} }, `http.allowed_origins: must not hold an empty pattern (got " ")`},
		{"TLS without files", func(c *Config) { c.HTTP.TLS.Cert, c.HTTP.TLS.Key = "c", "k" }, `http.tls: open c: no such file or directory (got "c, k")`},
		{"TLS without a key", func(c *Config) { c.HTTP.TLS.Cert = "c" }, `http.tls.key: is missing beside http.tls.cert`},
		{"TLS without a certificate", func(c *Config) { c.HTTP.TLS.Key = "k" }, `http.tls.cert: is missing beside http.tls.key`},
		{"a queue without room", func(c *Config) { c.Limits.QueueBytes = 300 << 10 }, `limits.queue_bytes: must be at least twice limits.event_bytes (got "300KB")`},
		{"below zero", func(c *Config) { c.Limits.Connections = -1 }, `limits.connections: must be at least 0 (got "-1")`},
		{"no heartbeat", func(c *Config) { c.Heartbeat.Interval = 0 }, `heartbeat.interval: must be at least 100ms (got "0s")`},
		{"no header", func(c *Config) { c.Limits.HeaderBytes = 1 << 10 }, `limits.header_bytes: must be at least 4KB (got "1KB")`},
		{"no handshake", func(c *Config) { c.Limits.HandshakeTimeout = 0 }, `limits.handshake_timeout: must be at least 100ms (got "0s")`},
		{"no replay", func(c *Config) { c.Limits.ReplayBytes = 0 }, `limits.replay_bytes: must be at least 1KB (got "0")`},
		{"a small history", func(c *Config) { c.History.Bytes = 1 }, `history.bytes: must be at least 1KB (got "1B")`},
		{"a mode", func(c *Config) { c.Capture.Mode = "wal" }, `capture.mode: must be one of doorbell, poll (got "wal")`},
		{"a level", func(c *Config) { c.Log.Level = "trace" }, "log.level: must be one of debug, info, warn, error"},
		{"a format", func(c *Config) { c.Log.Format = "xml" }, "log.format: must be one of text, json"},
		{"no time to spread", func(c *Config) { c.Shutdown.Spread = time.Minute }, "shutdown.timeout: must be longer"},
		{"a channel", func(c *Config) { c.Channels = []Channel{{"orders", "order_changed", []string{"order_{id}"}}} }, ""},
		{"a channel without a listener", func(c *Config) {
			c.Capture.Mode, c.Channels = "poll", []Channel{{"orders", "order_changed", []string{"orders"}}}
		}, `channels: nobody listens with capture.mode poll (got "orders")`},
		{
			"an empty channel", func(c *Config) { c.Channels = []Channel{{}} },
			"channels[0].name: must be the name of a NOTIFY channel (got \"\")\n" +
				"channels[0].type: must be an event type such as message_created (got \"\")\nchannels[0].topics: must be",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := Default()
			c.Database.URL = "postgres://localhost/app"
			tt.edit(&c)
			err := c.Validate()
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("got %v, want nothing wrong", err)
			case tt.want != "" && (err == nil || !strings.HasPrefix(err.Error(), tt.want)):
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}

func TestValidateAuth(t *testing.T) {
	t.Parallel()
	jwt := func(c *Config) { c.Auth.Mode, c.Auth.JWT.JWKSURL = "jwt", "https://issuer.example/keys" }
	sql := func(c *Config) { c.Auth.Mode, c.Auth.Authenticate = "sql", "app.session" }
	tests := []struct {
		name string
		edit []func(c *Config)
		want string
	}{
		{"tokens", []func(*Config){jwt}, ""},
		{"sessions", []func(*Config){sql}, ""},
		{"tokens, for all to reach", []func(*Config){jwt, func(c *Config) { c.HTTP.Addr = ":443" }}, ""},
		{"not chosen on a socket", []func(*Config){func(c *Config) { c.HTTP.Addr = "unix:/run/rowcast" }}, ""},
		{"everything", []func(*Config){jwt, func(c *Config) {
			c.Auth.JWT.Issuer, c.Auth.JWT.Audience, c.Auth.JWT.Leeway = "i", "a", 0
			c.Auth.Authorize, c.Auth.Role, c.Auth.Anonymous, c.Auth.Cache = "app.can_join", "web", true, 0
			c.Auth.Cookie, c.Auth.QueryToken = "__Host-session", true
			c.HTTP.AllowedOrigins = []string{"https://app.example.com", "https://*.example.com", "http://[::1]:*"}
		}}, ""},
		{"a mode", []func(*Config){func(c *Config) { c.Auth.Mode = "oauth" }}, `auth.mode: must be one of none, jwt, sql (got "oauth")`},
		{"no key", []func(*Config){func(c *Config) { c.Auth.Mode = "jwt" }}, `auth.jwt: must have exactly one of secret, public_key and jwks_url (got "0 of them")`},
		{"two keys", []func(*Config){jwt, func(c *Config) { c.Auth.JWT.Secret = "s3cret" }}, `auth.jwt: must have exactly one of secret, public_key and jwks_url (got "2 of them")`},
		{"nobody to ask", []func(*Config){func(c *Config) { c.Auth.Mode = "sql" }}, `auth.authenticate: is missing: auth.mode sql asks it who a token is (got "")`},
		{"a secret, and no mode", []func(*Config){func(c *Config) { c.Auth.JWT.Secret = "s3cret" }}, `auth.jwt.secret: has no effect unless auth.mode is jwt or sql (got "xxxxx")`},
		{"a function, and mode none", []func(*Config){func(c *Config) {
			c.Auth.Mode, c.Auth.Authorize = "none", "app.can_join"
		}}, `auth.authorize: has no effect unless auth.mode is jwt or sql (got "app.can_join")`},
		{"an issuer of sessions", []func(*Config){sql, func(c *Config) { c.Auth.JWT.Issuer = "i" }}, `auth.jwt.issuer: has no effect unless auth.mode is jwt (got "i")`},
		{"sessions, and tokens", []func(*Config){jwt, func(c *Config) { c.Auth.Authenticate = "app.session" }}, `auth.authenticate: has no effect unless auth.mode is sql (got "app.session")`},
		{"anybody, to anything", []func(*Config){jwt, func(c *Config) { c.Auth.Anonymous = true }}, `auth.anonymous: needs auth.authorize, which decides what they may join (got "true")`},
		{"a role for nothing", []func(*Config){jwt, func(c *Config) { c.Auth.Role = "web" }}, `auth.role: is nobody's: neither auth.authorize nor auth.authenticate is set (got "web")`},
		{"no topics claim", []func(*Config){jwt, func(c *Config) { c.Auth.TopicsClaim = "" }}, `auth.topics_claim: must be a claim's name (got "")`},
		{"no subject claim", []func(*Config){jwt, func(c *Config) { c.Auth.SubjectClaim = "" }}, `auth.subject_claim: must be a claim's name (got "")`},
		{"below zero", []func(*Config){jwt, func(c *Config) { c.Auth.JWT.Leeway = -1 }}, `auth.jwt.leeway: must be at least 0s (got "-1ns")`},
		{"no connection", []func(*Config){sql, func(c *Config) { c.Auth.Connections = 0 }}, `auth.connections: must be at least 1 (got "0")`},
		{"no time", []func(*Config){sql, func(c *Config) { c.Auth.Timeout = 0 }}, `auth.timeout: must be at least 10ms (got "0s")`},
		{"two cookies", []func(*Config){jwt, func(c *Config) { c.Auth.Cookie = "a; b" }}, `auth.cookie: must be a cookie's name (got "a; b")`},
	}
	for _, any := range []string{"*", "https://*", "https://*:*", "*:443", "https://*.*"} {
		edit := func(c *Config) { c.Auth.Cookie, c.HTTP.AllowedOrigins = "session", []string{"https://a.example", any} }
		tests = append(tests, struct {
			name string
			edit []func(c *Config)
			want string
		}{
			"a cookie for " + any,
			[]func(*Config){sql, edit},
			`http.allowed_origins: must name hosts where auth.cookie is set: any page could use a visitor's session (got "` + any + `")`,
		})
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := Default()
			c.Database.URL = "postgres://localhost/app"
			for _, edit := range tt.edit {
				edit(&c)
			}
			got := ""
			if err := c.Validate(); err != nil {
				got = err.Error()
			}
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestLoopback(t *testing.T) {
	t.Parallel()
	for addr, want := range map[string]bool{
		"127.0.0.1:80": true, "127.9.9.9:80": true, "localhost:80": true, "[::1]:80": true, "[::ffff:127.0.0.1]:80": true, "unix:/x": true,
		":80": false, "0.0.0.0:80": false, "[::]:80": false, "10.0.0.1:80": false, "example.com:80": false, "x": false,
	} {
		if got := Loopback(addr); got != want {
			t.Errorf("Loopback(%q) = %v", addr, got)
		}
	}
}

func TestSize(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Size{"0": 0, "17": 17, "1B": 1, "64KB": 64 << 10, "1 mb": 1 << 20, "3GB": 3 << 30, "1025": 1025} {
		var got Size
		if err := got.UnmarshalText([]byte(text)); err != nil || got != want {
			t.Errorf("%q: got %d, %v", text, got, err)
		}
		var again Size
		if err := again.UnmarshalText([]byte(got.String())); err != nil || again != got {
			t.Errorf("%d printed as %s, read as %d, %v", got, got, again, err)
		}
	}
	for _, text := range []string{"", "MB", "-1", "1.5GB", "1TB", "9999999999GB", "1 2"} {
		var got Size
		if err := got.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q: read as %d", text, got)
		}
	}
}

// What is printed is a file that says the same.
func TestStringIsAFile(t *testing.T) {
	clean(t)
	want := Default()
	want.Database.URL = `host=/tmp user="x" dbname='a: #b'`
	want.HTTP.AllowedOrigins = []string{"https://*.example.com"}
	want.HTTP.TrustedProxies = []string{"10.0.0.0/8", "::1"}
	want.Auth.Anonymous = true
	want.Channels = []Channel{{"Orders & more", "order_changed", []string{"order_{id}"}}}
	want.History.Age = 90 * time.Minute
	got, err := Load(write(t, "a.yaml", want.String()), nil)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v: got\n%vwant\n%v", err, got, want)
	}
}

func TestRedacted(t *testing.T) {
	t.Parallel()
	for _, url := range []string{
		"postgres://u:s3cret@h/db", "postgres://u:s3cret@a:1,b:2/db?target_session_attrs=read-write",
		"postgres://h/db?user=u&password=s3cret&x=y", "postgres://u:s3cret%zz@h/db", "postgres://u:s3cret/@h/db",
		"host=h password=s3cret dbname=db", "host=h password = 's3cret it\\'s s3cret' dbname=db", "sslpassword=s3cret",
	} {
		c := Default()
		c.Database.URL = url
		if got := c.String(); strings.Contains(got, "s3cret") || !strings.Contains(got, hidden) {
			t.Errorf("%s is printed as %s", url, got)
		}
		if c.Database.URL != url {
			t.Errorf("Redacted changed its receiver")
		}
	}
}

func TestRedactedKeys(t *testing.T) {
	t.Parallel()
	c := Default()
	c.Auth.JWT.Secret = "s3cret"
	c.Auth.JWT.PublicKey = "-----BEGIN PRIVATE KEY-----\ns3cret"
	c.Auth.JWT.JWKSURL = "https://u:s3cret@issuer.example/keys"
	if got := c.String(); strings.Contains(got, "s3cret") || strings.Count(got, hidden) != 3 {
		t.Errorf("printed as %s", got)
	}
	c.Auth.JWT.PublicKey = "/etc/rowcast/issuer.pem"
	if got := c.String(); !strings.Contains(got, "/etc/rowcast/issuer.pem") {
		t.Errorf("the file of a public key is no secret: %s", got)
	}
}
