// Ports for processes that are started later

package natstest

import (
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"testing"
)

// given has the ports that this process has had from FreePort. A client of an earlier test may still look for its server there.
var given sync.Map

// FreePort returns a port of the loopback interface at which nobody listens. The system gives it to no connection and
// to no listener that leaves the port open, because it is below those that systems choose from. So it is still free
// when a process listens there later, or again. No port is returned twice in a process, and until the test ends tests of other
// processes do not get it.
func FreePort(t testing.TB) int {
	t.Helper()
	var err error
	for range 100 {
		port := 10_000 + rand.N(22_000)
		if _, twice := given.LoadOrStore(port, true); twice {
			continue
		}
		var release func()
		if release, err = hold(port); err == nil {
			t.Cleanup(release)
			return port
		}
	}
	t.Fatalf("no port is free: %v", err)
	return 0
}

// hold takes a port if nobody listens there and no other test holds it. A test that holds a port listens at the UDP port of
// the same number, where no test has anything else.
func hold(port int) (release func(), err error) {
	at := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	mark, err := net.ListenPacket("udp", at)
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", at)
	if err != nil {
		_ = mark.Close()
		return nil, err
	}
	_ = l.Close()
	return func() { _ = mark.Close() }, nil
}
