package config

import (
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/go-viper/mapstructure/v2"
	"github.com/spf13/pflag"
	"github.com/spf13/viper"

	"rowcast/pglisten"
)

const envPrefix = "ROWCAST_"

// Flags adds a flag for each of the named settings, or for all.
func Flags(set *pflag.FlagSet, names ...string) {
	c := Default()
	for _, k := range keys(&c) {
		if len(names) == 0 || slices.Contains(names, k.name) {
			f := set.VarPF(&flag{k.text(), k.kind()}, k.name, "", k.help)
			if k.value.Kind() == reflect.Bool {
				f.NoOptDefVal = "true"
			}
		}
	}
}

// flag takes any text: Load reads it, and reports what is wrong with it together
// with everything else.
type flag struct{ text, kind string }

func (f *flag) String() string { return f.text }
func (f *flag) Type() string   { return f.kind }

func (f *flag) Set(text string) error {
	f.text = text
	return nil
}

// Load puts the file, the environment and the flags over the defaults. The file
// may be "", the flags (as Flags made them) nil. It reads, and does not judge
// what it read: see Validate. The error is of type Faults.
func Load(file string, flags *pflag.FlagSet) (Config, error) {
	c := Default()
	all := keys(&c)
	v := viper.New()
	var faults Faults
	if file != "" {
		faults = append(faults, mergeFile(v, file, all)...)
	}
	for _, k := range all {
		v.SetDefault(k.name, k.value.Interface())
		names := []string{k.name, k.variable()}
		if k.name == "database.url" {
			names = append(names, "DATABASE_URL")
		}
		if err := v.BindEnv(names...); err != nil {
			return c, Faults{err.Error()}
		}
		if flags == nil || flags.Lookup(k.name) == nil {
			continue
		}
		if err := v.BindPFlag(k.name, flags.Lookup(k.name)); err != nil {
			return c, Faults{err.Error()}
		}
	}
	v.AllowEmptyEnv(true)
	if v.GetString("capture.mode") == "poll" { // polls are all there is
		v.SetDefault("capture.poll_interval", pglisten.DefaultPollInterval)
	}
	faults = append(faults, strayVariables(all)...)
	for _, k := range all {
		if err := v.UnmarshalKey(k.name, k.value.Addr().Interface(), decoding); err != nil {
			got := v.Get(k.name)
			if slices.Contains(confidential, k.name) {
				got = hidden
			}
			faults.add(k.name, "must be "+k.wants(), got)
		}
	}
	return c, faults.err()
}

// mergeFile reads the file into v. The keys of the file are looked at before
// anything else is in v that could hide them.
func mergeFile(v *viper.Viper, file string, all []key) (faults Faults) {
	in := viper.New()
	in.SetConfigFile(file)
	if err := in.ReadInConfig(); err != nil {
		return Faults{"--config: " + strings.Join(strings.Fields(err.Error()), " ")}
	}
	for _, name := range in.AllKeys() {
		known := slices.ContainsFunc(all, func(k key) bool { return k.name == name })
		if !known && in.Get(name) != nil { // nil: a section with nothing in it
			faults = append(faults, name+": unknown key") // its value may be a secret
		}
	}
	slices.Sort(faults)
	if err := v.MergeConfigMap(in.AllSettings()); err != nil {
		faults = append(faults, "--config: "+err.Error())
	}
	return faults
}

// injected are the variables Kubernetes gives a container for a service that is
// called rowcast-http or the like.
var injected = regexp.MustCompile(`_(SERVICE|PORT)(_|$)`)

// strayVariables finds variables that were meant for a setting and are none.
// Those that begin like no section are somebody else's.
func strayVariables(all []key) (faults Faults) {
	for _, pair := range os.Environ() {
		name, _, _ := strings.Cut(pair, "=")
		if !strings.HasPrefix(name, envPrefix) || injected.MatchString(name) {
			continue
		}
		known, meant := false, false
		for _, k := range all {
			section, _, _ := strings.Cut(k.variable()[len(envPrefix):], "_")
			known = known || name == k.variable()
			meant = meant || strings.HasPrefix(name, envPrefix+section+"_")
		}
		if meant && !known {
			faults = append(faults, name+": unknown variable")
		}
	}
	slices.Sort(faults)
	return faults
}

func decoding(d *mapstructure.DecoderConfig) {
	d.TagName = "json"
	d.ErrorUnused = true
	d.DecodeHook = mapstructure.ComposeDecodeHookFunc(
		durationHook,
		channelsHook,
		mapstructure.TextUnmarshallerHookFunc(),
		listHook,
	)
}

// durationHook takes durations by their text only: a bare number would be
// nanoseconds, which nobody means.
func durationHook(from, to reflect.Type, value any) (any, error) {
	if to != reflect.TypeFor[time.Duration]() || from == to {
		return value, nil
	}
	return time.ParseDuration(fmt.Sprint(value))
}

// channelsHook takes channels as JSON from a variable or flag.
func channelsHook(from, to reflect.Type, value any) (any, error) {
	if to != reflect.TypeFor[[]Channel]() || from.Kind() != reflect.String {
		return value, nil
	}
	list := []Channel{}
	if value == "" {
		return list, nil
	}
	d := json.NewDecoder(strings.NewReader(value.(string)))
	d.DisallowUnknownFields()
	err := d.Decode(&list)
	return list, err
}

// listHook takes a list as words between commas.
func listHook(from, to reflect.Type, value any) (any, error) {
	if to != reflect.TypeFor[[]string]() || from.Kind() != reflect.String {
		return value, nil
	}
	return strings.FieldsFunc(value.(string), func(r rune) bool { return r == ',' || r == ' ' }), nil
}
