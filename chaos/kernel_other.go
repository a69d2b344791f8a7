//go:build !linux

package main

import (
	"errors"
	"net"
)

// kernelBytes is for Linux, where the daemon bounds them.
func kernelBytes(net.Addr, net.Addr) (int, error) {
	return 0, errors.New("only Linux says what the kernel holds")
}
