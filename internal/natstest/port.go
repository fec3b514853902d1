// Ports for processes that are started later

package natstest

import (
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"testing"
)

// given has the ports that this process has had from FreePort: tests that run beside each other get others.
var given sync.Map

// FreePort returns a port of the loopback interface at which nobody listens. The system gives it to no connection and
// to no listener that leaves the port open, because it is below those that systems choose from. So it is still free
// when a process listens there later, or again. No port is returned twice.
func FreePort(t testing.TB) int {
	t.Helper()
	var err error
	for range 100 {
		port := 10_000 + rand.N(22_000)
		var l net.Listener
		if l, err = net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port))); err == nil {
			_ = l.Close()
			if _, twice := given.LoadOrStore(port, true); !twice {
				return port
			}
		}
	}
	t.Fatalf("no port is free: %v", err)
	return 0
}
