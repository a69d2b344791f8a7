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
	got.HTTP.AllowedOrigins = nil
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
			if len(got.HTTP.AllowedOrigins) == 0 {
				got.HTTP.AllowedOrigins = nil
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
	t.Setenv("ROWCAST_AUTH_JWT_SECRET", "s3cret")
	file := write(t, "a.yaml", `
colour: red
http: {adr: ':1', addr: ':2'}
history: {age: 600, bytes: 1.5GB}
limits: {connections: many}
database: {url: ['postgres://u:s3cret@h/db']}
channels:
- {name: a, typ: b}
`)
	_, err := Load(file, parse(t, "--heartbeat.interval=soon"))
	want := Faults{
		`colour: unknown key`,
		`http.adr: unknown key`,
		`ROWCAST_AUTH_JWT_SECRET: unknown variable`,
		`ROWCAST_HTTP_ADRR: unknown variable`,
		`database.url: must be a text (got "xxxxx")`,
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
		{"no port", func(c *Config) { c.HTTP.Addr = "localhost" }, `http.addr: must be host:port, such as 127.0.0.1:8080 (got "localhost")`},
		{"no admin", func(c *Config) { c.Admin.Addr = "" }, ""},
		{"everybody, by accident", func(c *Config) { c.HTTP.Addr = ":8080" }, "http.addr: others can reach it"},
		{"everybody, as told", func(c *Config) { c.HTTP.Addr, c.Auth.Mode = "0.0.0.0:8080", "none" }, ""},
		{"a later version", func(c *Config) { c.Auth.Mode = "jwt" }, `auth.mode: is not supported by this version, which knows only none (got "jwt")`},
		{"TLS without files", func(c *Config) { c.HTTP.TLS.Cert, c.HTTP.TLS.Key = "c", "k" }, `http.tls: open c: no such file or directory (got "c, k")`},
		{"TLS without a key", func(c *Config) { c.HTTP.TLS.Cert = "c" }, `http.tls.key: is missing beside http.tls.cert`},
		{"TLS without a certificate", func(c *Config) { c.HTTP.TLS.Key = "k" }, `http.tls.cert: is missing beside http.tls.key`},
		{"a queue without room", func(c *Config) { c.Limits.QueueBytes = 300 << 10 }, `limits.queue_bytes: must be at least twice limits.event_bytes (got "300KB")`},
		{"below zero", func(c *Config) { c.Limits.Connections = -1 }, `limits.connections: must be at least 0 (got "-1")`},
		{"no heartbeat", func(c *Config) { c.Heartbeat.Interval = 0 }, `heartbeat.interval: must be at least 100ms (got "0s")`},
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

func TestLoopback(t *testing.T) {
	t.Parallel()
	for addr, want := range map[string]bool{
		"127.0.0.1:80": true, "127.9.9.9:80": true, "localhost:80": true, "[::1]:80": true, "[::ffff:127.0.0.1]:80": true,
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
