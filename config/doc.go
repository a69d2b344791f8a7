// Package config holds the settings of rowcast: what they are, where they come
// from, and whether they make sense.
//
// A [Config] is plain data. [Default] fills it from the constants of the
// packages it configures, so that a default is written down once. [Load] puts
// the sources over each other, the later the stronger:
//
//	default < file (YAML, TOML, JSON) < environment (ROWCAST_…) < flag
//
// Every setting has one dotted name, and that name is all there is to know:
// http.addr is the key of the file, --http.addr the flag, ROWCAST_HTTP_ADDR the
// variable. The names, their help and their types are read from the struct tags
// of Config; rowcast.yaml in this folder shows them all with their defaults, and
// a test compares the two.
//
// A name that does not exist is an error and not a warning: a misspelt limit is
// a limit that is not there. All that is wrong is reported at once, a line each,
// as "key: what is wrong (got …)"; see [Faults].
//
// viper lives in this package and nowhere else. The other packages take their
// own Options; bridge and cmd/rowcast fill them from a Config.
package config
