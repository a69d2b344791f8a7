package pgtemp

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// maxSocketDir is the longest folder name a Unix socket fits into: 103 bytes of
// sockaddr_un on macOS, the smallest, less "/.s.PGSQL.65535".
const maxSocketDir = 103 - len("/.s.PGSQL.65535")

// configure writes postgresql.conf. A file, not arguments: ALTER SYSTEM goes
// before the one and not before the other.
func (c *Cluster) configure() error {
	settings := map[string]string{
		"listen_addresses":        "127.0.0.1",
		"port":                    strconv.Itoa(c.port),
		"unix_socket_directories": c.run(),
		"timezone":                "UTC",
		"log_timezone":            "UTC",
		"log_line_prefix":         "%m [%p] %d ",
		// Shared memory in files of the data folder: a kill leaves none in /dev/shm.
		"dynamic_shared_memory_type": "mmap",
	}
	if len(c.run()) > maxSocketDir {
		settings["unix_socket_directories"] = ""
	}
	if c.options.Fast {
		settings["fsync"] = "off"
		settings["synchronous_commit"] = "off"
		settings["full_page_writes"] = "off"
	}
	maps.Copy(settings, c.options.Settings)

	var conf strings.Builder
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		fmt.Fprintf(&conf, "%s = %s\n", name, quote(settings[name]))
	}
	if err := c.account.write(filepath.Join(c.data(), "postgresql.conf"), conf.String()); err != nil {
		return fmt.Errorf("configure postgres: %w", err)
	}
	return nil
}

// quote writes a value as postgresql.conf reads it (Postgres manual, 20.1.2).
func quote(value string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, "'", "''").Replace(value) + "'"
}
