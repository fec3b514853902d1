// StartNATS, NATSServer

package testkit

import (
	"net"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// natsReady bounds the start of an embedded NATS server.
const natsReady = 10 * time.Second

// NATSServer is a NATS server in this process. Do not call its methods concurrently.
type NATSServer struct {
	t    testing.TB
	opts *server.Options
	s    *server.Server // nil while stopped
	url  string
}

// StartNATS starts a NATS server in this process, on a free port of the loopback
// interface, and returns its URL when it takes connections. The server ends with the
// test.
func StartNATS(t testing.TB) (url string) {
	t.Helper()
	return StartNATSServer(t, nil).URL()
}

// StartNATSServer starts a server like StartNATS, which can be stopped and started
// again. Its options are those of nats-server: MaxPayload, users, TLS, JetStream with a
// StoreDir of the test's. They are copied; nil is the zero value. An empty Host is the
// loopback interface, and Port 0 is a free port. The server writes no log and handles
// no signals. The test fails if the server takes no connections within 10 seconds.
func StartNATSServer(t testing.TB, opts *server.Options) *NATSServer {
	t.Helper()
	if opts == nil {
		opts = &server.Options{}
	}
	n := &NATSServer{t: t, opts: opts.Clone()}
	if n.opts.Host == "" {
		n.opts.Host = "127.0.0.1"
	}
	if n.opts.Port == 0 {
		n.opts.Port = server.RANDOM_PORT
	}
	n.opts.NoLog, n.opts.NoSigs = true, true
	t.Cleanup(n.Stop)
	n.start()
	return n
}

// URL returns the address to connect to. It stays the same after Restart.
func (n *NATSServer) URL() string { return n.url }

// Stop ends the server, and its clients lose their connections. It returns when the
// server has ended, and does nothing if the server was stopped before.
func (n *NATSServer) Stop() {
	if n.s == nil {
		return
	}
	n.s.Shutdown()
	n.s.WaitForShutdown()
	n.s = nil
}

// Restart stops the server if it runs, starts one with the same options on the same
// port, and returns when that takes connections. Clients reconnect by themselves after
// a pause of their own, so wait for them too.
func (n *NATSServer) Restart() {
	n.t.Helper()
	n.Stop()
	n.start()
}

func (n *NATSServer) start() {
	n.t.Helper()
	s, err := server.NewServer(n.opts.Clone()) // which the server changes
	if err != nil {
		n.t.Fatalf("testkit: NATS server: %v", err)
		return
	}
	n.s = s
	s.Start()
	if !s.ReadyForConnections(natsReady) {
		n.t.Fatalf("testkit: NATS server: no connection within %v", natsReady)
		return
	}
	n.url = s.ClientURL()
	if addr, ok := s.Addr().(*net.TCPAddr); ok {
		n.opts.Port = addr.Port // for the next start
	}
}
