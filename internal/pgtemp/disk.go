package pgtemp

import (
	"context"
	"errors"
	"fmt"
	"strconv"
)

// LimitFiles lets no file of the running server grow beyond so many bytes; 0
// lifts the limit. It stands for a full disk: Postgres takes a refusal for the
// size like one for the space ("could not extend file"), and this one needs
// neither a mount nor a right to it.
//
// The write-ahead log must fit: a server that cannot write it ends. Its files
// are 16 MB unless Options.WALSegment says otherwise.
//
// It needs prlimit of util-linux, and runs it as the server's account: a process
// may limit those of its own user, and root without CAP_SYS_RESOURCE no others
// (prlimit(2)).
func (c *Cluster) LimitFiles(ctx context.Context, bytes int64) error {
	if c.server == nil {
		return errors.New("limit postgres: it is stopped")
	}
	limit := "unlimited"
	if bytes != 0 {
		limit = strconv.FormatInt(bytes, 10)
	}
	family, err := c.server.family() // the postmaster first: who is born later inherits it
	if err != nil {
		return fmt.Errorf("limit postgres: %w", err)
	}
	for _, pid := range family {
		// The colon: the soft limit only, which may be raised again.
		err := c.tool(ctx, "prlimit", "--pid="+strconv.Itoa(pid), "--fsize="+limit+":")
		if err != nil && alive(pid) {
			return fmt.Errorf("limit postgres: %w", err)
		}
	}
	return nil
}
