package process

import (
	"fmt"
	"net"
	"os"
	"sync/atomic"
)

var addresses atomic.Uint32

// FreeAddress is a host:port of the loopback interface on which a process that is
// to be started can listen. No one takes the port before it does: each call has an
// address of 127.0.0.0/8 of its own (RFC 1122, 3.2.1.3), and what dials out, or
// listens on any port, is on 127.0.0.1. Systems that know no other loopback address
// than that give one of its ports that is free at the moment.
func FreeAddress() (string, error) {
	pid, n := os.Getpid(), addresses.Add(1)
	l, err := net.Listen("tcp", fmt.Sprintf("127.%d.%d.%d:0", 1+pid%254, n/254%255, 1+n%254))
	if err != nil {
		if l, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			return "", fmt.Errorf("process: no free loopback address: %w", err)
		}
	}
	defer l.Close()
	return l.Addr().String(), nil
}
