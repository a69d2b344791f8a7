package config

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
)

// FuzzSize: a size is a number of bytes that is written so that it is read again
// as the same.
func FuzzSize(f *testing.F) {
	for _, text := range []string{"64MB", " 1 gb ", "0", "1023B", "8191PB", "9223372036854775807", "9007199254740992KB", "-1", "1e3", "+1", "0x1", "MB", "1.5GB", "1KBB", "ſ"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s := Size(-7)
		if err := s.UnmarshalText([]byte(text)); err != nil {
			if s != -7 {
				t.Fatalf("%q left %d", text, s)
			}
			return
		}
		var again Size
		if err := again.UnmarshalText([]byte(s.String())); err != nil || s < 0 || again != s {
			t.Fatalf("%q is %d, and again %d (%v)", text, s, again, err)
		}
	})
}

// FuzzFile: a file is read, and then what `rowcast config` prints of it is read
// as the same settings; or its faults name the setting, and no secret.
func FuzzFile(f *testing.F) {
	example, err := os.ReadFile("rowcast.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(example)
	for _, text := range []string{
		"", "history: {bytes: 1GB, age: 5m}", "history:\n  age: 5", "channels: [{name: c, type: t, topics: [a, b]}]", "channels: '[{\"name\":\"c\"}]'",
		"http: {allowed_origins: 'a,b c', trusted_proxies: [10.0.0.0/8]}", "auth: {jwt: {secret: [canary-secret]}}", "auth:\n  jwt:\n    secret: canary-secret\n  nothing: canary-secret",
		"limits: {topics_per_connection: 1e3}", "a: &a [*a]", "database: canary-secret", "database: {url: 'postgres://u:canary-secret@h/d'}", "log: {level: \"x\\ny: #\"}", "\x00", "- 1", "shutdown: {timeout: -1s}",
		"capture: {mode: poll}", "auth: {anonymous: yes, connections: 0x10}",
	} {
		f.Add([]byte(text))
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text []byte) {
		path := filepath.Join(dir, "rowcast.yaml")
		load := func(text []byte) (Config, error) {
			if err := os.WriteFile(path, text, 0o600); err != nil {
				t.Fatal(err)
			}
			return Load(path, nil)
		}
		c, err := load(text)
		if err != nil {
			for _, fault := range err.(Faults) { //nolint:errorlint // as Load says
				if strings.ContainsAny(fault, "\r\n") || bytes.HasPrefix(text, []byte("database:")) && strings.Contains(fault, "canary-secret") {
					t.Fatalf("%q: %q", text, fault)
				}
			}
			return
		}
		c = c.Redacted()
		again, err := load([]byte(c.String()))
		if err != nil {
			t.Fatalf("%q prints as\n%s\n%v", text, c, err)
		}
		if again := again.Redacted(); again.String() != c.String() || !reflect.DeepEqual(settings(again), settings(c)) {
			t.Fatalf("%q prints as\n%s\nand that as\n%s", text, c, again)
		}
		_ = c.Validate()
	})
}

// settings are the values in words; [] and nil are the same to everybody.
func settings(c Config) (texts []string) {
	for _, k := range keys(&c) {
		texts = append(texts, k.yaml())
	}
	return texts
}

// FuzzFlag: a setting on the command line, or in a variable, is read, and shown so
// that it is read again as the same; or the fault names the setting.
func FuzzFlag(f *testing.F) {
	for _, seed := range [][2]string{
		{"history.age", "1h0m5.5s"},
		{"history.age", "5"},
		{"history.bytes", "1gb"},
		{"http.allowed_origins", " a,,b c"},
		{"channels", `[{"name":"c","type":"t","topics":["a"]}]`},
		{"channels", `[{"x":1}]`},
		{"channels", "[]]"},
		{"auth.anonymous", "T"},
		{"limits.topics_per_connection", "1_0"},
		{"auth.jwt.secret", "canary"},
		{"log.level", "\xff"},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, name, value string) {
		load := func(value string) (Config, *key, error) {
			set := pflag.NewFlagSet("test", pflag.ContinueOnError)
			Flags(set)
			if set.Lookup(name) == nil {
				return Config{}, nil, nil
			}
			if err := set.Set(name, value); err != nil {
				t.Fatal(err)
			}
			c, err := Load("", set)
			for _, k := range keys(&c) {
				if k.name == name {
					return c, &k, err
				}
			}
			return c, nil, err
		}
		c, k, err := load(value)
		if k == nil {
			return
		}
		if err != nil {
			if fault := err.Error(); !strings.HasPrefix(fault, name+": must be ") || strings.Contains(fault, "\n") {
				t.Fatalf("%s %q: %q", name, value, fault)
			}
			return
		}
		_, again, err := load(k.text())
		if err != nil || again.yaml() != k.yaml() {
			t.Fatalf("%s %q is %q, and again %q (%v)", name, value, k.text(), again.text(), err)
		}
		if d, ok := reflect.TypeAssert[time.Duration](k.value); ok {
			if want, err := time.ParseDuration(value); err != nil || want != d {
				t.Fatalf("%q is %v", value, d)
			}
		}
		_ = c.Validate()
	})
}
