package pgtemp

import (
	"bufio"
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// NotFoundError says that this system has no Postgres server binaries, and how
// to get them.
type NotFoundError struct {
	Dir     string // the folder that was asked for; empty when all usual places were searched
	Install string // the command that installs Postgres here
}

// Error is one line with what to do.
func (e *NotFoundError) Error() string {
	where := "in the usual places"
	if e.Dir != "" {
		where = "in " + e.Dir
	}
	return fmt.Sprintf("no Postgres server (initdb, postgres, pg_ctl) %s; install it with: %s", where, e.Install)
}

// Find returns the folder that holds initdb, postgres and pg_ctl: binDir when
// it is given, else the first complete one of PATH, what pg_config says, and
// the folders of Debian and Homebrew, the newest version first. Its error is a
// *NotFoundError.
func Find(binDir string) (string, error) {
	if binDir != "" {
		dir, err := filepath.Abs(binDir)
		if err != nil || !complete(dir) {
			return "", &NotFoundError{Dir: binDir, Install: installCommand()}
		}
		return dir, nil
	}
	for _, dir := range candidates() {
		if complete(dir) {
			return dir, nil
		}
	}
	return "", &NotFoundError{Install: installCommand()}
}

// candidates lists the folders worth a look, the likeliest first.
func candidates() []string {
	var dirs []string
	for _, name := range []string{"postgres", "initdb", "pg_ctl"} {
		path, err := exec.LookPath(name)
		if err != nil {
			continue
		}
		// Debian and Homebrew link single programs into PATH: the others are
		// where the link points.
		if real, err := filepath.EvalSymlinks(path); err == nil {
			dirs = append(dirs, filepath.Dir(real))
		}
	}
	if out, err := exec.Command("pg_config", "--bindir").Output(); err == nil {
		dirs = append(dirs, strings.TrimSpace(string(out)))
	}
	for _, pattern := range []string{
		"/usr/lib/postgresql/*/bin",
		"/usr/pgsql-*/bin",
		"/opt/homebrew/opt/postgresql@*/bin",
		"/usr/local/opt/postgresql@*/bin",
		"/Applications/Postgres.app/Contents/Versions/*/bin",
	} {
		found, _ := filepath.Glob(pattern) // its only error is a bad pattern
		slices.SortFunc(found, func(a, b string) int { return cmp.Compare(majorIn(b), majorIn(a)) })
		dirs = append(dirs, found...)
	}
	return dirs
}

// majorIn returns the version number in the name of a folder's parent
// (postgresql/15/bin, postgresql@17/bin), 0 without one.
func majorIn(bin string) int {
	name := filepath.Base(filepath.Dir(bin))
	n, _ := strconv.Atoi(name[strings.LastIndexAny(name, "@-")+1:])
	return n
}

func complete(dir string) bool {
	for _, name := range []string{"initdb", "postgres", "pg_ctl"} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.IsDir() {
			return false
		}
	}
	return true
}

// installCommand is how Postgres is installed on this system.
func installCommand() string {
	if runtime.GOOS == "darwin" {
		return "brew install postgresql@18"
	}
	file, err := os.Open("/etc/os-release")
	if err != nil {
		return "see https://www.postgresql.org/download/"
	}
	defer func() { _ = file.Close() }()
	var family []string // debian; ubuntu debian; rocky rhel centos fedora
	for lines := bufio.NewScanner(file); lines.Scan(); {
		key, value, _ := strings.Cut(lines.Text(), "=")
		if key == "ID" || key == "ID_LIKE" {
			family = append(family, strings.Fields(strings.Trim(value, `"'`))...)
		}
	}
	return installFor(family)
}

func installFor(family []string) string {
	for _, system := range []struct{ id, command string }{
		{"debian", "apt-get install postgresql"},
		{"fedora", "dnf install postgresql-server"},
		{"rhel", "dnf install postgresql-server"},
		{"alpine", "apk add postgresql"},
		{"arch", "pacman -S postgresql"},
		{"suse", "zypper install postgresql-server"},
	} {
		if slices.Contains(family, system.id) {
			return system.command
		}
	}
	return "see https://www.postgresql.org/download/"
}

// majorVersion reads what postgres --version says.
func majorVersion(ask *exec.Cmd) (int, error) {
	out, err := ask.Output()
	if err != nil {
		return 0, fmt.Errorf("run %s: %w", ask, err)
	}
	// "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)", "… 19beta1"
	_, rest, _ := strings.Cut(string(out), ") ")
	digits := strings.IndexFunc(rest, func(r rune) bool { return r < '0' || r > '9' })
	major, err := strconv.Atoi(rest[:max(digits, 0)])
	if err != nil {
		return 0, fmt.Errorf("run %s: no version in %q", ask, strings.TrimSpace(string(out)))
	}
	return major, nil
}
