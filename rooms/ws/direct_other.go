//go:build !linux

package ws

import "net"

// direct is what there is none of: the flusher writes everything.
type direct struct{}

func newDirect(net.Conn) *direct { return nil }

type call struct{}

func newCall() *call { return &call{} }

func (*call) write(*direct, []byte) (n int, err error) { return 0, nil }
