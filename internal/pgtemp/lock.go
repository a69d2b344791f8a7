package pgtemp

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
)

const (
	tempPrefix = "rowcast-pg-"
	lockName   = "lock"
)

// claim marks a temporary folder as in use until the file is closed, or this
// process ends, however it does.
func claim(dir string) (*os.File, error) {
	file, err := os.CreateTemp(dir, lockName)
	if err != nil {
		return nil, err
	}
	err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX)
	if err == nil {
		// Only now has it the name that sweep looks for.
		err = os.Rename(file.Name(), filepath.Join(dir, lockName))
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// sweep removes what processes that are gone have left in the folder for
// temporary files. What it cannot remove is someone else's.
func sweep(temp string) {
	locks, _ := filepath.Glob(filepath.Join(temp, tempPrefix+"*", lockName)) // its only error is a bad pattern
	for _, path := range locks {
		file, err := os.Open(path)
		if err != nil {
			continue
		}
		if syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
			_ = os.RemoveAll(filepath.Dir(path))
		}
		_ = file.Close()
	}
}
