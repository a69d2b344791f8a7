package main

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
)

// build makes the real binary in dir. Further arguments are for go build.
func build(ctx context.Context, dir string, args ...string) (bin string, err error) {
	root, err := moduleRoot()
	if err != nil {
		return "", err
	}
	bin = filepath.Join(dir, "rowcast")
	c := exec.CommandContext(ctx, "go", append(append([]string{"build", "-o", bin}, args...), "./cmd/rowcast")...)
	c.Dir = root
	if said, err := c.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build rowcast: %w\n%s", err, said)
	}
	return bin, nil
}
