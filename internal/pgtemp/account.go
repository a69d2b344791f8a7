package pgtemp

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// account is whom the server runs as: ourselves, or for root someone else.
type account struct {
	name       string
	credential *syscall.Credential // nil: ourselves, and no name
	uid, gid   int
}

// unprivileged returns the account for the server.
func unprivileged() (*account, error) {
	if os.Geteuid() != 0 {
		return &account{uid: os.Geteuid(), gid: os.Getegid()}, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
		if err := errors.Join(err1, err2); err != nil {
			return nil, fmt.Errorf("look up user %q: %w", name, err)
		}
		return &account{
			name:       name,
			credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)},
			uid:        int(uid), gid: int(gid),
		}, nil
	}
	return nil, errors.New("root cannot run Postgres, and there is neither a user postgres nor nobody")
}

// mkdir makes a folder that only the account may enter, unless it is there.
func (a *account) mkdir(dir string) error {
	err := os.Mkdir(dir, 0o700)
	if errors.Is(err, os.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return a.own(dir)
}

// write writes a file of the account's.
func (a *account) write(path, text string) error {
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return err
	}
	return a.own(path)
}

func (a *account) own(path string) error {
	if a.credential == nil {
		return nil
	}
	return os.Chown(path, a.uid, a.gid)
}

// explain adds to a refusal of the kernel, which does not say what it refused,
// the folders on the way to path that the account may not pass.
func (a *account) explain(err error, path string) error {
	if a.credential == nil || !errors.Is(err, fs.ErrPermission) {
		return err
	}
	var closed []string
	for dir := path; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if info, fault := os.Stat(dir); fault == nil && !a.mayPass(info) {
			closed = append(closed, dir)
		}
	}
	if closed == nil {
		return err
	}
	slices.Reverse(closed)
	return fmt.Errorf("root cannot run Postgres, and its user %s may not pass %s: choose another folder, or chmod a+x (%w)",
		a.name, strings.Join(closed, " and "), err)
}

// mayPass reads the mode bits of a folder.
func (a *account) mayPass(folder fs.FileInfo) bool {
	x := fs.FileMode(0o001)
	if owner, ok := folder.Sys().(*syscall.Stat_t); ok {
		switch {
		case int(owner.Uid) == a.uid:
			x = 0o100
		case int(owner.Gid) == a.gid:
			x = 0o010
		}
	}
	return folder.Mode()&x != 0
}

// dress makes cmd run as the account, in dir, out of reach of the terminal's
// Ctrl-C, and without the PG… variables of whoever runs us.
func (a *account) dress(cmd *exec.Cmd, dir string) {
	cmd.Dir = dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: a.credential, Setpgid: true}
	for _, variable := range os.Environ() {
		if !strings.HasPrefix(variable, "PG") && !strings.HasPrefix(variable, "LC_") {
			cmd.Env = append(cmd.Env, variable)
		}
	}
	cmd.Env = append(cmd.Env, "LC_ALL=C")
}
