package config

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"time"
)

// A key is one setting: its dotted name, and where it lives in a Config.
type key struct {
	name, help string
	value      reflect.Value // settable
}

// confidential are the settings whose values are in no message about them.
var confidential = []string{"database.url", "auth.jwt.secret", "auth.jwt.public_key", "auth.jwt.jwks_url"}

// keys lists the settings of c in the order of the struct.
func keys(c *Config) []key {
	var list []key
	var walk func(prefix string, section reflect.Value)
	walk = func(prefix string, section reflect.Value) {
		for f, v := range section.Fields() {
			name := prefix + f.Tag.Get("key")
			if f.Type.Kind() == reflect.Struct {
				walk(name+".", v)
				continue
			}
			list = append(list, key{name: name, help: f.Tag.Get("help"), value: v})
		}
	}
	walk("", reflect.ValueOf(c).Elem())
	return list
}

// variable is the name of the key's environment variable.
func (k key) variable() string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(k.name, ".", "_"))
}

// text writes the value as flags and variables take it.
func (k key) text() string {
	switch v := k.value.Interface().(type) {
	case time.Duration:
		return shortDuration(v)
	case []string:
		return strings.Join(v, ",")
	case []Channel:
		if len(v) == 0 {
			return ""
		}
		return jsonText(v)
	default:
		return fmt.Sprint(v)
	}
}

// yaml writes the value as the file takes it; JSON is YAML.
func (k key) yaml() string {
	switch v := k.value.Interface().(type) {
	case string:
		return jsonText(v)
	case []string:
		if len(v) == 0 {
			return "[]"
		}
		return jsonText(v)
	case []Channel:
		if len(v) == 0 {
			return "[]"
		}
		return jsonText(v)
	default:
		return k.text()
	}
}

// kind is the value's place holder in a flag's help.
func (k key) kind() string {
	switch k.value.Interface().(type) {
	case time.Duration:
		return "duration"
	case Size:
		return "size"
	case int:
		return "number"
	case bool:
		return "true|false" // not bool: viper would take what it cannot read for false
	case []string, []Channel:
		return "list"
	default:
		return "text"
	}
}

// wants says what kind of value the key takes, after "must be".
func (k key) wants() string {
	switch k.value.Interface().(type) {
	case time.Duration:
		return "a duration with its unit, such as 10s or 5m"
	case Size:
		return "a size such as 64KB or 1GB"
	case int:
		return "a whole number"
	case bool:
		return "true or false"
	case []string:
		return "a list"
	case []Channel:
		return "a list of {name, type, topics}"
	default:
		return "a text"
	}
}

// shortDuration is Duration.String without the zeros at its end.
func shortDuration(d time.Duration) string {
	s := d.String()
	if d != 0 && d%time.Minute == 0 {
		s = strings.TrimSuffix(s, "0s")
	}
	if d != 0 && d%time.Hour == 0 {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

func jsonText(v any) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return err.Error() // strings and lists of strings: cannot happen
	}
	return strings.TrimSuffix(b.String(), "\n")
}
