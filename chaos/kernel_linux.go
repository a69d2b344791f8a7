package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// The kernel's socket diagnostics (sock_diag(7), linux/inet_diag.h).
const (
	diagByFamily = 20           // SOCK_DIAG_BY_FAMILY
	diagMemory   = 7            // INET_DIAG_SKMEMINFO
	diagRequest  = 16 + 8 + 48  // a header, inet_diag_req_v2, and in that a socket's name
	diagAnswer   = 4 + 48 + 5*4 // inet_diag_msg, before its attributes
)

// kernelBytes is the memory of the buffers of the socket between two addresses of this
// machine, whosever it is: what waits to be read, to be sent and to be acknowledged,
// and what the kernel needs around it.
func kernelBytes(local, remote net.Addr) (int, error) {
	here, there := local.(*net.TCPAddr), remote.(*net.TCPAddr)
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return 0, fmt.Errorf("socket diagnostics: %w", err)
	}
	defer func() { _ = unix.Close(fd) }()
	ask := make([]byte, diagRequest)
	native := binary.NativeEndian
	native.PutUint32(ask[0:], diagRequest)
	native.PutUint16(ask[4:], diagByFamily)
	native.PutUint16(ask[6:], unix.NLM_F_REQUEST)
	ask[16], ask[17], ask[18] = unix.AF_INET, unix.IPPROTO_TCP, 1<<(diagMemory-1)
	native.PutUint32(ask[20:], 0xFFFFFFFF) // in whatever state
	binary.BigEndian.PutUint16(ask[24:], uint16(here.Port))
	binary.BigEndian.PutUint16(ask[26:], uint16(there.Port))
	copy(ask[28:], here.IP.To4())
	copy(ask[44:], there.IP.To4())
	native.PutUint64(ask[64:], ^uint64(0)) // no cookie
	if err := unix.Sendto(fd, ask, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return 0, fmt.Errorf("socket diagnostics: %w", err)
	}
	answer := make([]byte, 4096)
	n, _, err := unix.Recvfrom(fd, answer, 0)
	if err != nil {
		return 0, fmt.Errorf("socket diagnostics: %w", err)
	}
	return memory(answer[:n])
}

// memory is what an answer says of the socket's memory.
func memory(answer []byte) (sum int, err error) {
	messages, err := syscall.ParseNetlinkMessage(answer)
	if err != nil {
		return 0, fmt.Errorf("socket diagnostics: %w", err)
	}
	for _, m := range messages {
		if m.Header.Type != diagByFamily || len(m.Data) < diagAnswer {
			continue
		}
		for rest := m.Data[diagAnswer:]; len(rest) >= 4; {
			size, kind := int(binary.NativeEndian.Uint16(rest)), binary.NativeEndian.Uint16(rest[2:])
			if size < 4 || size > len(rest) {
				break
			}
			if info := rest[4:size]; kind == diagMemory && len(info) >= 4*8 {
				for _, what := range []int{
					unix.SK_MEMINFO_RMEM_ALLOC, unix.SK_MEMINFO_WMEM_ALLOC, unix.SK_MEMINFO_WMEM_QUEUED,
					unix.SK_MEMINFO_FWD_ALLOC, unix.SK_MEMINFO_OPTMEM, unix.SK_MEMINFO_BACKLOG,
				} {
					sum += int(binary.NativeEndian.Uint32(info[4*what:]))
				}
				return sum, nil
			}
			rest = rest[min((size+3)&^3, len(rest)):]
		}
	}
	return 0, errors.New("socket diagnostics: there is no such socket")
}
